"""The JSON schema of a grid file, made from the models that read it; `sweeps/grid.schema.json` is this, for editors.

A key takes one value, or a list of them, which is an axis; only what is no part of a run is no axis. Parts of a run are
under `$defs`. A part that has a name has a branch for each kind, with the keys of that kind alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, is_dataclass
from typing import Any

from pydantic import TypeAdapter

from mmcr_core.config.dataset import DATASETS
from mmcr_core.config.defaults import VIEW_RECIPES, default_parts
from mmcr_core.config.encoder import CUSTOM, ENCODER_KINDS
from mmcr_core.config.optimizer import OPTIMIZERS
from mmcr_core.config.run import ObjectiveSpec, RunSpec, ZeroShotSpec
from mmcr_core.config.run_id import NOT_IDENTITY
from mmcr_core.config.validation import FILLED_IN, options_of
from mmcr_core.objectives import OBJECTIVES, objective_class
from sweeps.config.settings import NAME, CheckpointSettings, GridSettings, ResourceSettings
from sweeps.config.spec_parsing import MODELS, SHORTHAND

Schema = dict[str, Any]
SETTINGS = {"checkpoint": CheckpointSettings, "resources": ResourceSettings}
CUSTOM_NAME = {"type": "string", "pattern": r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$"}
NO_PART = "Not part of a run's identity."
BESIDE_AXES: Schema = {
    "linked": {
        "type": "array",
        "items": {
            "type": "object",
            "minProperties": 2,
            "additionalProperties": {"type": "array", "minItems": 1},
        },
        "default": [],
        "description": "Keys that advance together: `[{P: [64, 256], optimizer.learning_rate: [1.0e-3, 2.0e-3]}]`.",
    },
    "exclude": {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        "default": [],
        "description": 'Cells to leave out, as in `--only`: `["P=1024,K=8", "D>P"]`.',
    },
}


def schema_text() -> str:
    """The file as it is committed."""
    return json.dumps(grid_schema(), indent=1, ensure_ascii=False) + "\n"


def grid_schema(axes: bool = True) -> Schema:
    """What a grid file may say, in JSON Schema's draft 7; without `axes` what one cell may say."""
    objectives = {name: objective_class(name).Options for name in OBJECTIVES} | {CUSTOM: ObjectiveSpec}
    named = {"objective": objectives, "dataset": DATASETS, "encoder": ENCODER_KINDS, "optimizer": OPTIMIZERS}
    zero_shot = _keys("evaluate.zero_shot", ZeroShotSpec)
    zero_shot["dataset"] |= _named("dataset", DATASETS)
    evaluate = _keys("evaluate", MODELS["evaluate"])
    evaluate["zero_shot"] |= {"anyOf": [_mapping(zero_shot, ["dataset"]), {"type": "null"}]}
    parts = {part: _named(part, kinds, axes) for part, kinds in named.items()} | {
        "projector": _mapping(_keys("projector", MODELS["projector"], axes)),
        "budget": _mapping(_keys("budget", MODELS["budget"], axes)) | {"minProperties": 1, "maxProperties": 1},
        "views": _views(axes),
        "evaluate": _mapping(evaluate),
        **{key: _mapping(_keys(key, model)) for key, model in SETTINGS.items()},
    }
    settings, run = _keys("", GridSettings), _keys("", RunSpec)
    settings["name"]["pattern"] = f"^{NAME.pattern}$"
    for key, schema in (settings | run).items():
        place = run if key in run else settings
        place[key] = _part(key, schema) if key in parts else schema
        if key in run and key != "evaluate" and axes:
            place[key] = _swept(place[key])
    for key, default in {"objective": "mmcr", **{one: default_parts("")[one] for one in ("seed", "precision")}}.items():
        run[key]["default"] = default
    needed = ["name", "dataset", "P", "D", "K", "budget"]
    whole = _mapping({"name": settings.pop("name"), **run, **BESIDE_AXES, **settings}, needed)
    if axes:  # any but the name may be linked instead
        whole |= {"required": ["name"], "if": {"required": ["linked"]}, "else": {"required": needed[1:]}}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A grid of pretraining runs",
        **whole,
        "patternProperties": {"^x-": {"description": "For anchors alone."}},
        "$defs": parts,
    }


def _views(axes: bool) -> Schema:
    """A recipe's name, or a mapping that starts from one, or one with all keys that have no default."""
    recipe: Schema = {"enum": sorted(VIEW_RECIPES)}
    meaning = {"description": "Recipe that the mapping starts from; the other keys change it."}
    keys = {"recipe": (_swept(recipe) if axes else recipe) | meaning} | _keys("views", MODELS["views"], axes)
    return {"anyOf": [recipe, _mapping(keys) | {"anyOf": [{"required": ["recipe"]}, {"required": ["size"]}]}]}


def _part(key: str, schema: Schema) -> Schema:
    return {"allOf": [{"$ref": f"#/$defs/{key}"}], "description": schema["description"]}


def _mapping(keys: Schema, required: list[str] | None = None, more: bool = False) -> Schema:
    return {"type": "object", "properties": keys, "required": required or [], "additionalProperties": more}


def _named(part: str, kinds: Mapping[str, type], axes: bool = False) -> Schema:
    """A part that is a name, or a mapping of a name and the keys of its kind."""
    keys, name = _keys(part, MODELS[part], axes), _keys(part, MODELS[part])["name"]
    own = {key for kind in kinds.values() for key in options_of(kind)}
    common = {key: schema for key, schema in keys.items() if key not in own | {"name"}}
    known = {"enum": [name for name in kinds if name != CUSTOM]}
    any_name = {"anyOf": [known, CUSTOM_NAME]} if CUSTOM in kinds else known
    branches = []
    for kind in dict.fromkeys(kinds.values()):
        names = [one for one in kinds if kinds[one] is kind]
        called = CUSTOM_NAME if names == [CUSTOM] else {"enum": names}
        said = {key: value for key, value in name.items() if key == "description" or value in names}
        options = {key: schema for key, schema in _keys(part, kind, axes).items() if key != "name"}
        needed = [] if "default" in said else ["name"]
        needed += [key for key, one in options_of(kind).items() if key != "name" and one.default is MISSING]
        more = "options" in options_of(kind) or names == [CUSTOM]
        branches.append(_mapping({"name": called | said} | common | options, needed, more))
    several = {"type": "object", "properties": {"name": {"type": "array", "items": any_name}}, "required": ["name"]}
    return {"anyOf": [*([any_name] if part in SHORTHAND else []), *branches, *([several] if axes else [])]}


def _keys(part: str, model: type, axes: bool = False) -> Schema:
    """Key -> what it may be, of the keys of a model that a grid names."""
    hidden = [key for key, one in options_of(model).items() if one.metadata == FILLED_IN] if is_dataclass(model) else []
    whole, bases = TypeAdapter(model).json_schema(), [one for one in model.__mro__ if is_dataclass(one)]
    inherited = [TypeAdapter(base).json_schema()["properties"] for base in bases[1:]]
    found = {}
    for key, schema in whole.get("properties", {}).items():
        if key not in hidden:
            named = whole["$defs"][schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else {}
            told = [one.get(key, {}).get("description") for one in inherited]
            described = [schema.get("description"), *told, named.get("description")]
            meaning = " ".join(next(filter(None, described), "").split())
            path = f"{part}.{key}" if part else key
            outside = path in NOT_IDENTITY or (not part and key in GridSettings.model_fields)
            meaning = " ".join([meaning, NO_PART] if outside else [meaning])
            one = {key: value for key, value in schema.items() if key not in ("title", "$ref", "prefixItems")}
            if "prefixItems" in schema:  # pairs of numbers; draft 7 has no such key
                one["items"] = schema["prefixItems"][0]
            found[key] = (_swept(one) if axes else one) | {"description": meaning}
    return found


def _swept(schema: Schema) -> Schema:
    """A value or a list of such values; what describes the key stays outside."""
    outside: Schema = {key: schema[key] for key in ("description", "default") if key in schema}
    inside = {key: value for key, value in schema.items() if key not in outside}
    values = inside["anyOf"] if list(inside) == ["anyOf"] else [inside]
    return {"anyOf": [*values, {"type": "array", "items": inside, "minItems": 1}], **outside}
