"""VICReg: variance, invariance, covariance regularization of embeddings that are not normalized (Bardes et al. 2022,
arXiv 2105.04906, eq. 1 to 6, with the scales of the authors' code).

That code, for two views: invariance is a mean over P and D, where eq. 5 has a mean over P alone; variance is the mean
of the two views' terms, covariance their sum, where eq. 6 has sums. Its weights, 25, 25 and 1, belong to these scales.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mmcr_core.config.run import ObjectiveSpec, require
from mmcr_core.objectives.base import Objective


@dataclass(frozen=True)
class VICRegOptions(ObjectiveSpec):
    """Defaults: Bardes et al. 2022, sections 4.1 and 4.2."""

    least_views: ClassVar[int] = 2
    name: str = "vicreg"
    invariance_weight: float = 25.0
    """lambda, the weight of the invariance term."""
    variance_weight: float = 25.0
    """mu, the weight of the variance term."""
    covariance_weight: float = 1.0
    """nu, the weight of the covariance term."""
    target_std: float = 1.0
    """gamma, the target standard deviation of a dimension."""
    epsilon: float = 1e-4
    """Added to the variance under the root."""

    def __post_init__(self) -> None:
        for key in ("invariance_weight", "variance_weight", "covariance_weight"):
            require(getattr(self, key) >= 0, key, "must be 0 or more")
        for key in ("target_std", "epsilon"):
            require(getattr(self, key) > 0, key, "must be more than 0")


class VICReg(Objective):
    Options = VICRegOptions
    options: VICRegOptions

    def loss(self, z: Tensor, teacher: Tensor | None = None, progress: Tensor | None = None) -> Tensor:
        """Of z (P, K, D): lambda s + mu v + nu c.

        s = mean over pairs of views k < l of ||Z_k - Z_l||_F^2 / (P D)
        v = mean over views and dimensions of max(0, gamma - sqrt(Var + epsilon)), Var over the batch with P - 1
        c = 2 mean over views of sum_{i != j} Cov_ij^2 / D
        """
        z = self.checked(z)
        P, _, D = z.shape
        options = self.options
        invariance = 2 * z.var(dim=1).mean()  # mean over pairs of squared differences = 2 Var over views, with K - 1
        std = (z.var(dim=0) + options.epsilon).sqrt()
        variance = torch.relu(options.target_std - std).mean()
        views = (z - z.mean(dim=0)).transpose(0, 1)  # (K, P, D)
        covariances = views.mT @ views / (P - 1)
        off_diagonal = covariances * (1 - torch.eye(D, dtype=z.dtype, device=z.device))
        covariance = 2 * off_diagonal.square().sum(dim=(1, 2)).mean() / D
        return (
            options.invariance_weight * invariance
            + options.variance_weight * variance
            + options.covariance_weight * covariance
        )
