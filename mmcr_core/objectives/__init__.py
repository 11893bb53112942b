"""Self-supervised objectives by name: `make_objective(name, dims=D, **options).loss(z)`, z of shape (P, K, D).

One file per objective: its frozen options, with published defaults, and the loss. To add one, write the file, name its
class in `OBJECTIVES` and its options in `mmcr_core.config.run_id`; it is imported when it is named. One's own stays
outside:
`my_module:MyObjective`, a class made as those here are, a subclass of `mmcr_core.objectives.base.Objective` with a
frozen `Options(ObjectiveSpec)`.
"""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mmcr_core import custom_imports
from mmcr_core.config.run import CustomObjectiveSpec, ObjectiveSpec, SpecError, is_custom, require

if TYPE_CHECKING:
    from mmcr_core.objectives.base import Objective

OBJECTIVES = {
    "alignment": "mmcr_core.objectives.alignment:Alignment",
    "barlow_twins": "mmcr_core.objectives.barlow_twins:BarlowTwins",
    "byol": "mmcr_core.objectives.byol:BYOL",
    "clip": "mmcr_core.objectives.clip:CLIP",
    "frossl": "mmcr_core.objectives.frossl:FroSSL",
    "mcr2": "mmcr_core.objectives.mcr2:MCR2",
    "mmcr": "mmcr_core.objectives.mmcr:MMCR",
    "siglip": "mmcr_core.objectives.siglip:SigLIP",
    "simclr": "mmcr_core.objectives.simclr:SimCLR",
    "swav": "mmcr_core.objectives.swav:SwAV",
    "vicreg": "mmcr_core.objectives.vicreg:VICReg",
}


def objective_class(name: str) -> type[Objective]:
    """The class of an objective; its `Options` are the keys that a grid may give. Raises SpecError."""
    if is_custom(name):
        return _own_class(name)
    if name not in OBJECTIVES:
        listed = f"use one of {', '.join(sorted(OBJECTIVES))}, or your own as my_module:MyObjective"
        raise SpecError("name", f"'{name}' is not an objective; {listed}")
    module, _, attribute = OBJECTIVES[name].partition(":")
    found: type[Objective] = getattr(import_module(module), attribute)
    return found


def objective_spec(name: str, **options: Any) -> ObjectiveSpec:
    """The options of an objective, its defaults filled in. Raises SpecError, TypeError for an unknown option."""
    if is_custom(name):
        return own_spec(name, objective_class(name).Options(name=name, **options))
    return objective_class(name).Options(**options)


def own_spec(name: str, options: ObjectiveSpec) -> CustomObjectiveSpec:
    """What a run keeps of the options of a user's own objective: plain values, and the digest of its source."""
    values = {key: value for key, value in asdict(options).items() if key != "name"}
    return CustomObjectiveSpec(name, values, custom_imports.source_digest(name), least_views=options.least_views)


def build_objective(spec: ObjectiveSpec, dims: int, captions: int | None = None) -> Objective:
    """The objective of a run, an nn.Module, for embeddings of D = `dims` dimensions, of which each image's last
    `captions` (1) are of captions where it compares these. Raises SpecError where a user's own is not the one that was
    planned."""
    if isinstance(spec, CustomObjectiveSpec):
        custom_imports.load(spec.name, spec.source)
        found = objective_class(spec.name)
        made = found(dims, found.Options(name=spec.name, **(spec.options or {})))
    else:
        made = objective_class(spec.name)(dims, spec)
    made.captions = captions or 1
    return made


def make_objective(name: str, *, dims: int, **options: Any) -> Objective:
    """The objective called `name`, an nn.Module, for embeddings of D = `dims` dimensions.

    Raises: SpecError, a ValueError that begins with the option; TypeError for an unknown option.
    """
    try:
        require(isinstance(dims, int) and dims >= 1, "dims", f"must be a whole number from 1 on; got {dims}")
        return build_objective(objective_spec(name, **options), dims)
    except SpecError as error:
        raise SpecError(error.key, f"{error.key}: {error}") from error


def _own_class(name: str) -> type[Objective]:
    """A user's own class. Raises SpecError where it is not made as an objective must be."""
    from mmcr_core.objectives.base import Objective

    found = custom_imports.load(name)
    if not (isinstance(found, type) and issubclass(found, Objective)):
        base = "a subclass of mmcr_core.objectives.base.Objective"
        raise SpecError("name", f"'{name}' is {found!r}; an objective of your own is {base}")
    options: Any = getattr(found, "Options", None)
    made = isinstance(options, type) and issubclass(options, ObjectiveSpec) and is_dataclass(options)
    if not made or not options.__dataclass_params__.frozen:
        problem = "must be a frozen dataclass, a subclass of mmcr_core.config.run.ObjectiveSpec"
        raise SpecError("name", f"'{name}': its Options {problem}")
    return found


__all__ = ["OBJECTIVES", "build_objective", "make_objective", "objective_class", "objective_spec", "own_spec"]
