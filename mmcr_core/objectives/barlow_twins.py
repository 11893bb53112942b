"""Barlow Twins: the cross-correlation matrix of two views is driven to the identity (Zbontar et al. 2021, arXiv
2103.03230, eq. 1 and 2). K > 2: the mean over the K (K - 1) / 2 pairs of views.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import torch
from torch import Tensor

from mmcr_core.config.run import ObjectiveSpec, require
from mmcr_core.objectives.base import Objective


@dataclass(frozen=True)
class BarlowTwinsOptions(ObjectiveSpec):
    """Defaults: Zbontar et al. 2021, section 2.2."""

    least_views: ClassVar[int] = 2
    name: str = "barlow_twins"
    off_diagonal_weight: float = 0.005
    """lambda, the weight of the off-diagonal correlations."""
    scale: float = 1.0
    """Factor of the loss (solo-learn, da Costa et al. 2022: 0.1)."""

    def __post_init__(self) -> None:
        require(self.off_diagonal_weight >= 0, "off_diagonal_weight", "must be 0 or more")
        require(self.scale > 0, "scale", "must be more than 0")


class BarlowTwins(Objective):
    Options = BarlowTwinsOptions
    options: BarlowTwinsOptions

    def loss(self, z: Tensor, teacher: Tensor | None = None, progress: Tensor | None = None) -> Tensor:
        """Of z (P, K, D): scale * mean_{k < l} [sum_i (1 - C_ii)^2 + lambda sum_{i != j} C_ij^2].

        C = Z_k^T Z_l / P (D, D), the columns of Z_k (P, D) with mean 0 and variance 1 over the batch. As in the
        authors' code they pass batch norm, whose 1e-5 beside the variance keeps a dead dimension finite.
        """
        z = self.checked(z)
        P, K, D = z.shape
        columns = torch.nn.functional.batch_norm(z.flatten(1), None, None, training=True)
        identity = torch.eye(D, dtype=columns.dtype, device=z.device)
        weights = self.options.off_diagonal_weight * (1 - identity) + identity
        views = columns.view(P, K, D).unbind(dim=1)
        pairs = [((a.mT @ b / P - identity).square() * weights).sum() for a, b in combinations(views, 2)]
        return self.options.scale * torch.stack(pairs).mean()
