"""Self-supervised objectives by name: `make_objective(name, **options)(z) -> Loss`, z of shape (P, K, D).

One file an objective. To add one: write a module whose `make(**options)` returns a callable, and name it in
`OBJECTIVES`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol

from torch import Tensor

from mmcr_core.objectives.base import Loss

OBJECTIVES = {"mmcr": "mmcr_core.objectives.mmcr"}


class Objective(Protocol):
    """Embeddings (P, K, D), not yet normalised, to a `Loss`."""

    def __call__(self, z: Tensor) -> Loss: ...


def make_objective(name: str, **options: float) -> Objective:
    """The objective called `name`; `options` are its module's. Raises ValueError for an unknown name."""
    if name not in OBJECTIVES:
        raise ValueError(f"objective '{name}' is unknown; use one of {', '.join(sorted(OBJECTIVES))}")
    objective: Objective = import_module(OBJECTIVES[name]).make(**options)
    return objective


__all__ = ["OBJECTIVES", "Loss", "Objective", "make_objective"]
