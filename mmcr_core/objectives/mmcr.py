"""MMCR: minimise -||M||_* of the mean embeddings M (Yerxa et al. 2023; Schaeffer et al. 2024).

The local term of Yerxa et al., lambda / P * sum_p ||Z_p||_* over the K x D views Z_p of each image, is there
for lambda > 0; their experiments and Schaeffer et al. use 0.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from mmcr_core.nuclear_norm import nuclear_norm
from mmcr_core.objectives.base import Loss, centroids, measure, normalised


def make(local_weight: float = 0.0) -> Callable[[Tensor], Loss]:
    """MMCR with lambda = `local_weight` (>= 0)."""
    if local_weight < 0:
        raise ValueError(f"local_weight is {local_weight}; it must be 0 or more")

    def mmcr(z: Tensor) -> Loss:  # (P, K, D)
        z = normalised(z)
        M = centroids(z)
        norm = nuclear_norm(M)
        value = -norm
        if local_weight:
            value = value + local_weight * nuclear_norm(z).mean()
        return Loss(value, measure(M, norm))

    return mmcr
