"""BYOL: predict, from one view, the embedding that a slowly following copy of the network has of another (Grill et al.
2020, arXiv 2006.07733, eq. 2 and section 3.2).

The embeddings z that are measured are the online projector's; the predictor belongs to the objective. For K > 2 the
loss is twice the mean over ordered pairs of views, which for K = 2 is the published sum of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmcr_core.config.run import ObjectiveSpec, require
from mmcr_core.objectives.base import Objective, mean_over_pairs, normalized


@dataclass(frozen=True)
class BYOLOptions(ObjectiveSpec):
    """Defaults: Grill et al. 2020, section 3.3."""

    least_views: ClassVar[int] = 2
    follows_progress: ClassVar[bool] = True
    name: str = "byol"
    momentum: float = 0.996
    """tau at the start of a run; it rises to 1 along half a cosine."""
    predictor_hidden: int = 4096
    """Width of the predictor's hidden layer."""

    def __post_init__(self) -> None:
        require(0 <= self.momentum <= 1, "momentum", "must lie in [0, 1]")
        require(self.predictor_hidden >= 1, "predictor_hidden", "must be 1 or more")


class BYOL(Objective):
    Options = BYOLOptions
    options: BYOLOptions
    has_teacher = True

    def __init__(self, dims: int, options: BYOLOptions) -> None:
        super().__init__(dims, options)
        width = options.predictor_hidden
        self.predictor = nn.Sequential(
            nn.Linear(dims, width), nn.BatchNorm1d(width), nn.ReLU(inplace=True), nn.Linear(width, dims)
        )

    def momentum(self, progress: Tensor) -> Tensor:
        """tau = 1 - (1 - tau_base) (cos(pi progress) + 1) / 2."""
        return 1 - (1 - self.options.momentum) * (torch.cos(torch.pi * progress) + 1) / 2

    def loss(self, z: Tensor, teacher: Tensor | None = None, progress: Tensor | None = None) -> Tensor:
        """Of z and teacher (P, K, D): 2 mean over images and pairs k != l of 2 - 2 cos(q(z_k), teacher_l)."""
        if teacher is None:
            raise ValueError("byol needs teacher=, the (P, K, D) embeddings of the EMA teacher")
        predicted = self.predictor(self.checked(z).flatten(0, 1)).view(z.shape)
        cosines = normalized(predicted) @ normalized(teacher.detach()).mT  # (P, K, K)
        return 4 - 4 * mean_over_pairs(cosines)
