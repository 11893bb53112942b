"""Every key of a grid file as a row: what it may be, what it is where it is left out, what it means.

All of it comes from the specs: types and meanings from pydantic's schema, names from the registries, defaults from
parts of runs that leave the key out, made here with every data set, encoder, optimiser, recipe and objective.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, get_args

from mmcr_core.defaults import VIEW_RECIPES, default_parts
from mmcr_core.identity import NOT_IDENTITY
from mmcr_core.objectives import OBJECTIVES, objective_spec
from mmcr_core.spec import (
    DATASET_KEYS,
    ENCODER_KEYS,
    ENCODERS,
    NAMED_IMAGES,
    OPTIMIZER_OPTIONS,
    OWN,
    PAIRS,
    DatasetName,
    DatasetSpec,
    EncoderSpec,
    OptimizerSpec,
    RunSpec,
    ViewSpec,
)
from sweeps.grid.grid_file import SHORTHAND
from sweeps.grid.schema_words import Schema, names, properties, schema_of, values_of, yaml_of
from sweeps.grid.settings import GridSettings
from sweeps.storage.errors import UserError

FILLED_IN = ("dataset.digest", "encoder.options", "encoder.source", "encoder.architecture")
PAIRS_IN_A_FILE = "parquet with pairs"
FEW = 3  # names that share a default are told; the largest share of more than these is "else"
Made = Mapping[str, Mapping[str, Any]]  # name of a data set, an encoder, ... -> key -> what it is where it is left out
Applies = Mapping[str, tuple[str, ...]]  # key -> names of what it applies to, where not to all


@dataclass(frozen=True)
class Default:
    """What a key is where it is left out, as a grid would spell it, with the names in `of` (none: with all others).
    `value` is empty where these need it."""

    value: str
    of: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeyRow:
    """A key of a grid file, dotted where it stands inside another.

    `defaults`: none where it must be given; `of`: names of what it applies to, none where that goes without saying;
    `filled_in`: a run has it, but no grid names it; `identity`: another value is another run.
    """

    key: str
    values: str
    defaults: tuple[Default, ...]
    meaning: str
    of: tuple[str, ...]
    filled_in: bool
    identity: bool


def key_rows() -> list[KeyRow]:
    """All keys, each with those inside it behind it: the sweep's name, what a run is made of, how runs are run."""
    settings = list(_rows("", schema_of(GridSettings), {}, {}))
    run = _rows("", schema_of(RunSpec), _parts_by_data(), {})
    return [*settings[:1], *run, *settings[1:]]


def below(rows: list[KeyRow], key: str) -> list[KeyRow]:
    """The rows of a key and of all that stand inside it. Raises UserError where there is none."""
    found = [row for row in rows if row.key == key or row.key.startswith(f"{key}.")]
    if not found:
        known = list(dict.fromkeys(row.key for row in rows))
        alike = [one for one in known if one.endswith(f".{key}")] or difflib.get_close_matches(key, known, 1)
        whole = f"use one of {', '.join(one for one in known if '.' not in one)}, or a key inside one"
        raise UserError(f"'{key}' is not a key of a grid file; " + (f"did you mean '{alike[0]}'?" if alike else whole))
    return found


def _rows(above: str, schema: Schema, made: Made, applies: Applies) -> Iterator[KeyRow]:
    for name, inside in properties(schema).items():
        key = above + name
        whose = applies.get(name, tuple(made))
        defaults = _defaults(key, name, inside, {one: made[one] for one in made if one in whose})
        yield _row(key, inside, defaults, applies.get(name, ()))
        if key == "objective":
            yield from _objectives(inside)
        elif key == "views":
            meaning = "The recipe that the mapping starts from; the keys beside it change it."
            yield _row("views.recipe", {"description": meaning}, (Default("none"),), ())
            yield from _rows("views.", inside, *_made(key))
        elif "name" not in properties(inside) or not above:  # a data set inside another key has been told of
            yield from _rows(f"{key}.", inside, *_made(key))


def _objectives(schema: Schema) -> Iterator[KeyRow]:
    yield from _rows("objective.", schema, {}, {})
    for name in OBJECTIVES:
        options = objective_spec(name)
        own = schema_of(type(options))
        own["properties"].pop("name")
        yield from _rows("objective.", own, {name: _fields(options)}, dict.fromkeys(own["properties"], (name,)))


def _row(key: str, schema: Schema, defaults: tuple[Default, ...], of: tuple[str, ...]) -> KeyRow:
    meaning = " ".join(schema.get("description", "").split())
    identity = key.partition(".")[0] not in (*GridSettings.model_fields, "evaluate") and key not in NOT_IDENTITY
    filled_in = key in FILLED_IN
    return KeyRow(key, _values(key, schema), () if filled_in else defaults, meaning, of, filled_in, identity)


def _values(key: str, schema: Schema) -> str:
    if key == "dataset.split":
        sets = {split: [name for name, one in NAMED_IMAGES if one == split] for _, split in NAMED_IMAGES}
        return ", ".join(f"`{one}`" + (f" ({of[0]})" if len(of) == 1 else "") for one, of in sets.items())
    told = {
        **dict.fromkeys(SHORTHAND, "name or mapping"),
        "views": "recipe or mapping",
        "views.recipe": names(sorted(VIEW_RECIPES)),
        "objective.name": f"{names(OBJECTIVES)}, `my_module:MyObjective`",
        "encoder.name": f"{names(ENCODERS)}, `my_module:factory`",
    }
    return told.get(key) or values_of(schema)


def _defaults(key: str, name: str, schema: Schema, made: Made) -> tuple[Default, ...]:
    if made and name != "name":
        if not any(name in parts for parts in made.values()):
            return ()
        return _grouped({one: _spelled(key, parts[name]) if name in parts else "" for one, parts in made.items()})
    if "default" not in schema:
        return ()
    inner = "{}" if schema["default"] is not None and properties(schema) else yaml_of(schema["default"])
    return (Default(inner),)


def _grouped(spelled: Mapping[str, str]) -> tuple[Default, ...]:
    """Names by default: those of the commonest last, and untold where they are more than a few of all."""
    groups: dict[str, list[str]] = {}
    for name, value in spelled.items():
        groups.setdefault(value, []).append(name)
    ordered = sorted(groups.items(), key=lambda group: len(group[1]))
    if len(ordered) > 1 and len(ordered[-1][1]) <= FEW:
        return tuple(Default(value, tuple(of)) for value, of in ordered)
    return (*(Default(value, tuple(of)) for value, of in ordered[:-1]), *(Default(value) for value, _ in ordered[-1:]))


def _spelled(key: str, value: Any) -> str:
    """A part as a grid that says no more than needed: its name, and what differs from the defaults of its keys."""
    if isinstance(value, ViewSpec):
        return next(name for name, recipe in VIEW_RECIPES.items() if recipe == value)
    if not is_dataclass(value):
        return yaml_of(value)
    said = {one.name: getattr(value, one.name) for one in fields(value)}
    said = {one.name: said[one.name] for one in fields(value) if one.name == "name" or said[one.name] != one.default}
    return str(said["name"]) if key in SHORTHAND and said.keys() == {"name"} else yaml_of(said)


def _parts_by_data() -> Made:
    kinds = {name: (name, name in PAIRS) for name in get_args(DatasetName)} | {PAIRS_IN_A_FILE: ("parquet", True)}
    return {name: default_parts(*kind) for name, kind in kinds.items()}


def _made(part: str) -> tuple[Made, Applies]:
    """Of a part: what its keys are where they are left out, by its name, without those that must be given."""
    if part == "dataset":
        own = DATASET_KEYS["path"]
        sets = {name: DatasetSpec(name, path="here" if name in own else None) for name in get_args(DatasetName)}
        made = {name: _fields(spec, *(["path"] if name in own else [])) for name, spec in sets.items()}
        pairs = _fields(DatasetSpec("parquet", path="here", pairs=True), "path", "pairs")
        return made | {PAIRS_IN_A_FILE: pairs}, DATASET_KEYS
    if part == "encoder":
        made = {name: _fields(EncoderSpec(name)) for name in ENCODERS if name != "timm"}
        made["timm"] = _fields(EncoderSpec("timm", model="any"), "model")
        return made | {OWN: _fields(EncoderSpec("my_module:factory"))}, ENCODER_KEYS
    if part == "optimizer":
        keys = {key for options in OPTIMIZER_OPTIONS.values() for key in options}
        applies = {key: tuple(name for name, options in OPTIMIZER_OPTIONS.items() if key in options) for key in keys}
        return {name: _fields(OptimizerSpec(name)) for name in OPTIMIZER_OPTIONS}, applies  # type: ignore[arg-type]
    if part == "views":
        recipes = {name: _fields(recipe) for name, recipe in VIEW_RECIPES.items()}
        return {"no recipe": _fields(ViewSpec(size=1), "size")} | recipes, {}
    return {}, {}


def _fields(spec: Any, *given: str) -> dict[str, Any]:
    return {one.name: getattr(spec, one.name) for one in fields(spec) if one.name not in given}
