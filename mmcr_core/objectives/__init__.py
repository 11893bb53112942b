"""Self-supervised objectives by name: `make_objective(name, dims=D, **options).loss(z)`, z of shape (P, K, D).

One file an objective: its frozen options, with published defaults, and the loss. To add one, write the file and name
its class in `OBJECTIVES`; it is imported when it is named.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mmcr_core.spec import ObjectiveSpec, SpecError

if TYPE_CHECKING:
    from mmcr_core.objectives.base import Objective

OBJECTIVES = {
    "alignment": "mmcr_core.objectives.alignment:Alignment",
    "barlow_twins": "mmcr_core.objectives.barlow_twins:BarlowTwins",
    "byol": "mmcr_core.objectives.byol:BYOL",
    "frossl": "mmcr_core.objectives.frossl:FroSSL",
    "mcr2": "mmcr_core.objectives.mcr2:MCR2",
    "mmcr": "mmcr_core.objectives.mmcr:MMCR",
    "simclr": "mmcr_core.objectives.simclr:SimCLR",
    "swav": "mmcr_core.objectives.swav:SwAV",
    "vicreg": "mmcr_core.objectives.vicreg:VICReg",
}


def objective_class(name: str) -> type[Objective]:
    """The class of an objective; its `Options` are the keys that a grid may give. Raises SpecError."""
    if name not in OBJECTIVES:
        raise SpecError("name", f"'{name}' is not an objective; use one of {', '.join(sorted(OBJECTIVES))}")
    module, _, attribute = OBJECTIVES[name].partition(":")
    found: type[Objective] = getattr(import_module(module), attribute)
    return found


def objective_spec(name: str, **options: Any) -> ObjectiveSpec:
    """The options of an objective, its defaults filled in. Raises SpecError, TypeError for an unknown option."""
    return objective_class(name).Options(**options)


def make_objective(name: str, *, dims: int, **options: Any) -> Objective:
    """The objective called `name`, an nn.Module, for embeddings of D = `dims` dimensions. Raises as objective_spec."""
    return objective_class(name)(dims, objective_spec(name, **options))


__all__ = ["OBJECTIVES", "make_objective", "objective_class", "objective_spec"]
