"""Alignment and uniformity on the hypersphere (Wang and Isola 2020, arXiv 2005.10242) as an objective of your own."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mmcr_core.config.run import ObjectiveSpec, require
from mmcr_core.objectives.base import Objective


@dataclass(frozen=True)
class AlignUniformOptions(ObjectiveSpec):
    """Keys of the grid beside `name`; each may be a list."""

    least_views: ClassVar[int] = 2
    uniformity_weight: float = 1.0
    sharpness: float = 2.0

    def __post_init__(self) -> None:
        require(self.sharpness > 0, "sharpness", "must be more than 0")


class AlignUniform(Objective):
    """Squared distances between views of an image, and the Gaussian potential between images."""

    Options = AlignUniformOptions

    def loss(self, z: Tensor, teacher: Tensor | None = None, progress: Tensor | None = None) -> Tensor:
        """Of z (P, K, D), not normalized: a scalar to minimize. Nothing here may read a value back (`.item()`)."""
        u = self.normalized(z)
        P, K, _ = u.shape
        cosine = (u.sum(dim=1).square().sum() - P * K) / (P * K * (K - 1))  # mean over pairs of views
        views = u.transpose(0, 1)  # (K, P, D)
        distance = 2 - 2 * views @ views.mT  # (K, P, P)
        itself = torch.eye(P, dtype=torch.bool, device=z.device)
        potential = (-self.options.sharpness * distance).masked_fill(itself, -torch.inf)
        uniformity = potential.flatten(1).logsumexp(dim=1).mean() - math.log(P * (P - 1))
        return 2 - 2 * cosine + self.options.uniformity_weight * uniformity
