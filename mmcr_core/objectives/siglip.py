"""SigLIP: each pair of an image and a caption is a yes or no of its own (Zhai et al. 2023, arXiv 2303.15343, section
3.2 and algorithm 1).

With several views of an image, or several captions, the loss is the mean over pairs of a view and a caption.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmcr_core.config.run import ObjectiveSpec, require
from mmcr_core.objectives.base import Objective
from mmcr_core.objectives.clip import image_text_cosines


@dataclass(frozen=True)
class SigLIPOptions(ObjectiveSpec):
    """Defaults: Zhai et al. 2023, section 3.2."""

    least_views: ClassVar[int] = 2
    needs_captions: ClassVar[bool] = True
    name: str = "siglip"
    temperature: float = 0.1
    """Initial temperature; it is learned."""
    bias: float = -10.0
    """Initial bias; it is learned."""

    def __post_init__(self) -> None:
        require(self.temperature > 0, "temperature", "must be more than 0")


class SigLIP(Objective):
    Options = SigLIPOptions
    options: SigLIPOptions

    def __init__(self, dims: int, options: SigLIPOptions) -> None:
        super().__init__(dims, options)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(options.temperature)))
        self.bias = nn.Parameter(torch.tensor(options.bias))

    def loss(self, z: Tensor, teacher: Tensor | None = None, progress: Tensor | None = None) -> Tensor:
        """Of z (P, K, D): -1 / P times the sum over images and captions of log sigmoid(+-(scale cosine + bias)), plus
        for an image's own caption."""
        logits = self.log_scale.exp() * image_text_cosines(self.normalized(z), self.captions) + self.bias
        P = logits.shape[-1]
        sign = 2 * torch.eye(P, dtype=logits.dtype, device=logits.device) - 1
        return torch.nn.functional.softplus(-sign * logits).sum(dim=(-2, -1)).mean() / P
