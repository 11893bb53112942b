"""A user's own code in a grid, and timm's: their options stand beside the name, and what they are is found out here."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from mmcr_core.images.encoders import feature_count
from mmcr_core.images.own_encoders import with_defaults
from mmcr_core.no_chance import RandomNumbersDrawn
from mmcr_core.objectives import objective_class, own_spec
from mmcr_core.pairs.towers import resolved
from mmcr_core.spec import TOWERS, ObjectiveSpec, OwnObjectiveSpec, RunSpec, SpecError, is_own
from mmcr_core.training.flops import caption_flops, network_flops, objective_flops
from sweeps.grid.stored_spec import objective_of


def gathered(encoder: Any) -> Any:
    """`{name: timm, model: M, drop_rate: 0}` as a spec has it, `{name: timm, model: M, options: {drop_rate: 0}}`; the
    same of a user's own encoder; any other value as it is."""
    name = encoder.get("name") if isinstance(encoder, dict) else None
    if not isinstance(name, str) or not (is_own(name) or name == "timm"):
        return encoder
    fields = ("name", "model") if name == "timm" else ("name",)
    kept = {key: value for key, value in encoder.items() if key in fields}
    options = {key: value for key, value in encoder.items() if key not in fields}
    return kept | ({"options": options} if options else {})


def given_objective(fields: dict[str, Any]) -> ObjectiveSpec:
    """An objective's options as a grid gives them, those of a user's own beside its name. Raises SpecError, pydantic's
    ValidationError."""
    if not is_own(fields["name"]):
        return objective_of(fields)
    options = objective_class(fields["name"]).Options
    return own_spec(fields["name"], TypeAdapter(options).validate_json(json.dumps(fields)))


def with_sources(spec: RunSpec) -> RunSpec:
    """An own encoder's defaults and the digest of its source filled in, once code that this project does not know has
    run on meta tensors, as a step will on a device. Raises SpecError, its key as the grid spells it."""
    encoder, objective = spec.encoder, spec.objective
    channels, size = len(spec.views.mean), spec.views.size
    try:
        if is_own(encoder.name):
            encoder = with_defaults(encoder)
        if encoder.name == TOWERS:
            encoder = replace(encoder, architecture=resolved(encoder.config or ""))
            _tried(lambda: caption_flops(encoder, spec.projector, spec.D, channels, size), encoder.config or "")
            _tried(lambda: network_flops(encoder, spec.projector, spec.D, channels, size), encoder.config or "")
        if is_own(encoder.name) or encoder.name == "timm":
            feature_count(encoder, channels, size)
            _tried(lambda: network_flops(encoder, spec.projector, spec.D, channels, size), encoder.name)
    except SpecError as error:
        raise SpecError(f"encoder.{error.key.removeprefix('options.')}", str(error)) from error
    if isinstance(objective, OwnObjectiveSpec):
        try:
            _tried(lambda: objective_flops(objective, spec.P, spec.K, spec.D), objective.name)
        except SpecError as error:
            raise SpecError("objective", str(error)) from error
    return replace(spec, encoder=encoder)


def _tried(step: Any, name: str) -> None:
    try:
        step()
    except SpecError:
        raise
    except RandomNumbersDrawn as drawn:
        raise SpecError("name", f"'{name}' {drawn}") from drawn
    except Exception as error:  # whatever code that is not ours raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        rule = "forward and backward must run on meta tensors: nothing in a step may read a value back from the device"
        raise SpecError("name", f"'{name}' fails without data ({reason}); {rule}") from error
