"""What a grid says of each part of a run, read by that part's own model; lists are gone by then, each cell is plain.

A text in place of `objective`, `dataset` and `encoder` is the name. `views` may start from a recipe. The options of a
custom encoder and of timm's models stand beside the name. Paths become absolute. What is left out is what
`mmcr_core.config.defaults` says for the data set.
"""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, fields, is_dataclass
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, create_model

from mmcr_core.config.defaults import VIEW_RECIPES, default_parts
from mmcr_core.config.encoder import CUSTOM, ENCODER_KINDS
from mmcr_core.config.run import DatasetSpec, EncoderSpec, EvaluateSpec, ObjectiveSpec, RunSpec, SpecError
from mmcr_core.config.validation import STRICT, is_custom, options_of
from mmcr_core.objectives import objective_class, own_spec

_TYPES: dict[str, Any] = {one.name: get_type_hints(RunSpec)[one.name] for one in fields(RunSpec)}
_KEYS: Any = create_model(  # of a run, each of its type, once its parts are read
    "RunKeys",
    __config__=ConfigDict(**STRICT),  # type: ignore[typeddict-item]
    **{key: (kind, ...) for key, kind in _TYPES.items()},  # type: ignore[call-overload]
)
MODELS: dict[str, Any] = {key: kind for key, kind in _TYPES.items() if is_dataclass(kind)}  # of the parts of a run
SHORTHAND = ("objective", "dataset", "encoder")  # `encoder: convnet` means `encoder: {name: convnet}`


def spelled_out(part: str, value: Any) -> tuple[type, Any]:
    """The model that reads a part, and the keys that it reads. Raises SpecError."""
    if part in SHORTHAND and isinstance(value, str):
        value = {"name": value}
    if part == "objective":
        if not isinstance(value, dict) or not isinstance(value.get("name"), str):
            raise SpecError("", f"{value!r} is wrong; give a name such as mmcr, or a mapping with a name")
        return objective_class(value["name"]).Options, value
    spelled = {"encoder": _encoder, "views": _views, "evaluate": _evaluate}.get(part)
    return MODELS[part], spelled(value) if spelled else value


def _encoder(value: Any) -> Any:
    """Of a kind that takes options, all keys that are not its own go to them."""
    name = value.get("name") if isinstance(value, dict) else None
    kind = ENCODER_KINDS.get(CUSTOM if is_custom(name) else name) if isinstance(name, str) else None
    known = options_of(kind) if kind else {}
    if "options" not in known:
        return value
    named = {"name", *(key for key, one in known.items() if not one.metadata.get("filled_in"))}
    options = {key: value[key] for key in value if key not in named}
    return {key: value[key] for key in value if key in named} | ({"options": options} if options else {})


def _views(value: Any) -> Any:
    """A recipe's name, or a mapping that may start from one (`recipe: stl10`) and change some of it."""
    recipe = value.get("recipe") if isinstance(value, dict) else value
    if recipe is None:
        return value
    if not isinstance(recipe, str) or recipe not in VIEW_RECIPES:
        names = ", ".join(sorted(VIEW_RECIPES))
        raise SpecError("recipe", f"{recipe!r} is not a recipe; use one of {names}, or a mapping")
    changed = {key: value[key] for key in value if key != "recipe"} if isinstance(value, dict) else {}
    return asdict(VIEW_RECIPES[recipe]) | changed


def _evaluate(value: Any) -> Any:
    """`zero_shot: {dataset: cifar10}` with the data set a mapping."""
    looked_at = value.get("zero_shot") if isinstance(value, dict) else None
    if not isinstance(looked_at, dict) or not isinstance(looked_at.get("dataset"), str):
        return value
    return value | {"zero_shot": looked_at | {"dataset": {"name": looked_at["dataset"]}}}


def read_part(model: type, keys: Any) -> Any:
    """The frozen value of a part, its paths absolute. Raises pydantic's ValidationError."""
    read = _reader(model).validate_json(json.dumps(keys, default=str))
    if isinstance(read, ObjectiveSpec) and is_custom(read.name):
        return own_spec(read.name, read)
    return read.at_absolute_paths() if isinstance(read, DatasetSpec | EncoderSpec | EvaluateSpec) else read


def run_parts(given: dict[str, Any]) -> dict[str, Any]:
    """All parts and numbers of a run, with the defaults of its data set. Raises pydantic's ValidationError for keys
    that are missing or of another type."""
    dataset = given.get("dataset")
    defaults = default_parts(dataset.name, dataset.has_captions) if dataset else default_parts("")
    return dict(_KEYS(**defaults | given))


@functools.cache
def _reader(model: type) -> TypeAdapter[Any]:
    return TypeAdapter(model)
