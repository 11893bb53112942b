"""MMCR: minimise -||M||_* of the mean embeddings M (Yerxa et al. 2023; Schaeffer et al. 2024).

The local term of Yerxa et al., lambda / P * sum_p ||Z_p||_* over the K x D views Z_p of each image, is there
for lambda > 0; their experiments and Schaeffer et al. use 0.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mmcr_core.nuclear_norm import nuclear_norm
from mmcr_core.objectives.base import Objective, centroids, normalised
from mmcr_core.spec import ObjectiveSpec, require


@dataclass(frozen=True)
class MMCROptions(ObjectiveSpec):
    """`local_weight`: lambda, the weight of the local nuclear norms (0: the global term alone)."""

    name: str = "mmcr"
    local_weight: float = 0.0

    def __post_init__(self) -> None:
        require(self.local_weight >= 0, "local_weight", "must be 0 or more")


class MMCR(Objective):
    Options = MMCROptions
    options: MMCROptions

    def loss(self, z: Tensor, teacher: Tensor | None = None, progress: Tensor | None = None) -> Tensor:
        z = normalised(z)
        norm = nuclear_norm(centroids(z))
        self.nuclear_norm = norm.detach()
        if self.options.local_weight:
            return self.options.local_weight * nuclear_norm(z).mean() - norm
        return -norm
