"""FroSSL: the logarithm of the Frobenius norm of each view's covariance, and the distance of the views from their mean
(Skean et al. 2024, ECCV, arXiv 2310.02903, eq. 3 and 6, as in the authors' code for any number of views).

Like that code: each dimension has length 1 over the batch and is not centered, and the terms of the views are summed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mmcr_core.config.run import ObjectiveSpec, require
from mmcr_core.objectives.base import Objective


@dataclass(frozen=True)
class FroSSLOptions(ObjectiveSpec):
    """Defaults: the authors' configuration for STL-10."""

    least_views: ClassVar[int] = 2
    name: str = "frossl"
    invariance_weight: float = 1.4
    """Weight of the distance between the views and their mean."""

    def __post_init__(self) -> None:
        require(self.invariance_weight >= 0, "invariance_weight", "must be 0 or more")


class FroSSL(Objective):
    Options = FroSSLOptions
    options: FroSSLOptions

    def loss(self, z: Tensor, teacher: Tensor | None = None, progress: Tensor | None = None) -> Tensor:
        """Of z (P, K, D): sum_k [log ||C_k||_F^2 + weight K / P ||Z_k - mean_l Z_l||_F^2], C_k = Z_k^T Z_k / its trace.

        The columns of Z_k (P, D) have length 1. The norm is that of the smaller of the two Gram matrices. The sum of
        distances is weight / P times that over pairs of views, sum_{k < l} ||Z_k - Z_l||_F^2.
        """
        z = torch.nn.functional.normalize(self.checked(z), dim=0)
        P, K, D = z.shape
        views = z.transpose(0, 1)  # (K, P, D)
        eps = torch.finfo(z.dtype).eps
        gram = views @ views.mT if P < D else views.mT @ views
        trace = views.square().sum(dim=(1, 2)).clamp_min(eps)
        spread = (gram / trace[:, None, None]).square().sum(dim=(1, 2)).clamp_min(eps).log().sum()
        distance = (z - z.mean(dim=1, keepdim=True)).square().sum()
        return spread + self.options.invariance_weight * K / P * distance
