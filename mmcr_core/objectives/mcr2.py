"""MCR2: the coding rate of all embeddings is raised, that of each image's views lowered (Yu et al. 2020, arXiv
2006.08558, section 2; for learning without labels, section 3.2: an image's views are a class).

EMP-SSL (Tong et al. 2023, arXiv 2304.03977) has the same expansion, and a mean cosine in place of the compression.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mmcr_core.config.run import ObjectiveSpec, require
from mmcr_core.objectives.base import Objective


@dataclass(frozen=True)
class MCR2Options(ObjectiveSpec):
    """The defaults are the authors' for learning without labels (MCR2-CTRL, in their code's README: CIFAR-10, CIFAR-100
    and STL-10, 50 views); a scale and a weight of 1 are the plain coding-rate reduction."""

    least_views: ClassVar[int] = 2
    name: str = "mcr2"
    eps: float = 0.5
    """Squared precision of the code."""
    expansion_scale: float = 20.0
    """gamma1, a factor inside the logarithm of the expansion."""
    expansion_weight: float = 0.05
    """gamma2, the weight of the expansion."""

    def __post_init__(self) -> None:
        for key in ("eps", "expansion_scale", "expansion_weight"):
            require(getattr(self, key) > 0, key, "must be more than 0")


class MCR2(Objective):
    Options = MCR2Options
    options: MCR2Options

    def loss(self, z: Tensor, teacher: Tensor | None = None, progress: Tensor | None = None) -> Tensor:
        """Of z (P, K, D): -gamma2 R + R_c of the unit embeddings.

        R = 1/2 log det(I + gamma1 D / (P K eps) Z^T Z), Z (P K, D) all embeddings
        R_c = 1 / (2 P) sum_p log det(I + D / (K eps) Z_p^T Z_p), Z_p (K, D) the views of image p
        """
        z = self.normalized(z)
        P, K, D = z.shape
        options = self.options
        expansion = log_det(z.flatten(0, 1), options.expansion_scale * D / (P * K * options.eps)) / 2
        compression = log_det(z, D / (K * options.eps)).mean() / 2
        return compression - options.expansion_weight * expansion


def log_det(Z: Tensor, scale: float) -> Tensor:
    """log det(I + scale Z^T Z) of Z (..., n, d) -> (...), by a Cholesky factor of the smaller side, which has no
    eigenvalue below 1; it is not checked, since that would read it back."""
    gram = Z @ Z.mT if Z.shape[-2] < Z.shape[-1] else Z.mT @ Z
    identity = torch.eye(gram.shape[-1], dtype=Z.dtype, device=Z.device)
    factor: Tensor = torch.linalg.cholesky_ex(identity + scale * gram).L
    return 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)
