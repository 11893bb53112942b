"""The spec that a run's row keeps, read back; `mmcr_core.config.run_id.spec_to_json` writes it."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mmcr_core.config.run import CustomObjectiveSpec, ObjectiveSpec, RunSpec, SpecError, is_custom
from mmcr_core.objectives import objective_class

_RUN = TypeAdapter(RunSpec)


def _objective(fields: dict[str, Any]) -> ObjectiveSpec:
    """An objective's options as a run keeps them: for custom ones, their module is not needed."""
    return _reader(fields["name"]).validate_json(json.dumps(fields))


@functools.cache
def _reader(name: str) -> TypeAdapter[ObjectiveSpec]:
    """What reads the options of an objective; making it takes ten times as long as reading with it."""
    return TypeAdapter(CustomObjectiveSpec if is_custom(name) else objective_class(name).Options)


def spec_from_json(text: str) -> RunSpec | None:
    """The spec in a run's row; None where this version cannot read it."""
    try:
        fields = json.loads(text)
        named = fields | {"objective": {"name": fields["objective"]["name"]}}
        return replace(_RUN.validate_json(json.dumps(named)), objective=_objective(fields["objective"]))
    except (ValidationError, SpecError, KeyError, ValueError):
        return None
