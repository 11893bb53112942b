"""What an objective returns, and the measures that put every objective on MMCR's axes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mmcr_core.nuclear_norm import nuclear_norm

METRICS = ("percent_error", "nuclear_norm", "reconstruction", "uniformity")


class Loss(NamedTuple):
    """`value`: scalar to minimise, differentiable. `metrics`: the names in METRICS to detached scalars."""

    value: Tensor
    metrics: dict[str, Tensor]


def normalised(z: Tensor) -> Tensor:
    """(P, K, D) -> (P, K, D) on the unit sphere, in float32 at least."""
    return torch.nn.functional.normalize(z if z.dtype == torch.float64 else z.float(), dim=-1)


def centroids(z: Tensor) -> Tensor:
    """(P, K, D) unit embeddings -> (P, D) mean embedding of each image; rows are not normalised again."""
    return z.mean(dim=1)


def measure(M: Tensor, norm: Tensor | None = None) -> dict[str, Tensor]:
    """METRICS of the mean embeddings M (P, D), given their nuclear norm where it is known.

    percent_error = 1 - reconstruction * uniformity (see mmcr_core.theory.decompose).
    """
    M = M.detach()
    P, D = M.shape
    norm = nuclear_norm(M) if norm is None else norm.detach()
    frobenius = torch.linalg.vector_norm(M)
    return {
        "percent_error": 1 - norm / (P * min(P, D)) ** 0.5,
        "nuclear_norm": norm,
        "reconstruction": frobenius / P**0.5,
        "uniformity": norm / (frobenius * min(P, D) ** 0.5),
    }
