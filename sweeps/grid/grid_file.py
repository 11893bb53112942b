"""A grid file becomes a frozen GridSpec: run specs, and how to run them.

The run's own fields are `mmcr_core.spec`'s dataclasses, checked by pydantic in its strict JSON mode (no
conversions); each list in the file is an axis. Every mistake is one `GridError` that names file, line, key and remedy.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import types
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from mmcr_core.images import datasets
from mmcr_core.spec import (
    DEFAULT_ENCODERS,
    DEFAULT_VIEWS,
    NAMED_IMAGES,
    VIEW_RECIPES,
    EncoderSpec,
    EvaluateSpec,
    ObjectiveSpec,
    OptimizerSpec,
    ProjectorSpec,
    RunSpec,
    SpecError,
    run_id,
)
from sweeps.storage.errors import UserError
from sweeps.storage.files_and_urls import at
from sweeps.grid.yaml_lines import Lines, Marked, YamlError, dotted, expand, parse
from sweeps.grid.yaml_lines import Path as KeyPath

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


class GridError(UserError):
    """One line: FILE:LINE: KEY: what is wrong; what would be right."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class CheckpointSettings(_Settings):
    """A checkpoint at least every so many seconds of training; the last one stays if `keep`."""

    every_seconds: float = Field(default=60.0, gt=0)
    keep: bool = False


class ResourceSettings(_Settings):
    """GPUs and CPU cores of one cell: a number, a fraction of a GPU, or `auto`."""

    gpus: Literal["auto"] | float = "auto"
    cpus: Literal["auto"] | float = "auto"

    @field_validator("gpus")
    @classmethod
    def _whole_above_one(cls, value: str | float) -> str | float:
        if isinstance(value, float) and (value < 0 or (value > 1 and value != int(value))):
            raise ValueError("must be auto, 0, a fraction below 1, or a whole number")
        return value

    @field_validator("cpus")
    @classmethod
    def _positive(cls, value: str | float) -> str | float:
        if isinstance(value, float) and value <= 0:
            raise ValueError("must be auto or more than 0")
        return value


class GridSettings(_Settings):
    """What a grid says beside its runs; none of it changes a result or a run_id. `retries`: times a cell that
    failed is tried again in the same launch."""

    name: str
    retries: int = Field(default=0, ge=0, le=100)
    checkpoint: CheckpointSettings = CheckpointSettings()
    resources: ResourceSettings = ResourceSettings()

    @field_validator("name")
    @classmethod
    def _plain(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError("use letters, digits, '.', '_' and '-' only, not beginning with '.'")
        return value


@dataclass(frozen=True)
class GridSpec:
    """A whole sweep: its settings, one RunSpec a cell, and the text it was read from."""

    settings: GridSettings
    cells: tuple[RunSpec, ...]
    text: str


_RUN = TypeAdapter(RunSpec)
_RUN_KEYS = tuple(field.name for field in fields(RunSpec))
_SHORTHAND = ("objective", "dataset", "encoder")  # `encoder: convnet` means `encoder: {name: convnet}`


def load_grid(path: str | Path) -> GridSpec:
    """Read, expand and check a grid file; hash the content of folder and parquet data sets.

    Raises: GridError.
    """
    try:
        text = at(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise GridError(f"{path}: cannot be read ({reason}); give the path of a grid file") from error
    try:
        return _grid(parse(text), text)
    except YamlError as error:
        raise GridError(f"{path}:{error.line}: {error}") from error


def _grid(document: Marked, text: str) -> GridSpec:
    if not isinstance(document.value, dict):
        raise YamlError(document.line, "a grid file is a mapping of keys; see sweeps/grids/quickstart.yaml")
    top: dict[str, Marked] = document.value
    known = (*GridSettings.model_fields, *_RUN_KEYS)
    for key, marked in top.items():
        if key not in known:
            raise YamlError(marked.line, _unknown(key, known))
    settings = _settings({key: top[key] for key in GridSettings.model_fields if key in top})
    sweep = Marked({key: marked for key, marked in top.items() if key in _RUN_KEYS}, 1)
    cells: dict[str, RunSpec] = {}
    digests: dict[tuple[str, str | None], str] = {}
    for mapping, lines in expand(sweep, (), _is_tuple):
        spec = _identified(_run_spec(mapping, lines), lines, digests)
        key = run_id(spec)
        if key in cells:
            problem = f"two cells are the same run (P={spec.P}, D={spec.D}, K={spec.K}, seed={spec.seed})"
            raise YamlError(1, f"{problem}; a list holds one value in two spellings, keep one")
        cells[key] = spec
    return GridSpec(settings, tuple(cells.values()), text)


def _settings(marked: dict[str, Marked]) -> GridSettings:
    for mapping, lines in expand(Marked(marked, 1), (), lambda path: True):
        try:
            return GridSettings.model_validate_json(json.dumps(mapping, default=str))
        except ValidationError as error:
            raise _located(error, mapping, lines, GridSettings) from error
    raise AssertionError("expand yields at least one choice")


def _run_spec(mapping: dict[str, Any], lines: Lines) -> RunSpec:
    mapping = _with_defaults(dict(mapping), lines)
    try:
        return _RUN.validate_json(json.dumps(mapping, default=_plain))
    except ValidationError as error:
        raise _located(error, mapping, lines, RunSpec) from error


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def _with_defaults(mapping: dict[str, Any], lines: Lines) -> dict[str, Any]:
    """Shorthands spelled out, defaults filled in, so that the stored spec is complete."""
    for key in _SHORTHAND:
        if isinstance(mapping.get(key), str):
            mapping[key] = {"name": mapping[key]}
    dataset = mapping.get("dataset")
    name = dataset.get("name", "") if isinstance(dataset, dict) else ""
    if isinstance(dataset, dict):
        paths = {key: os.path.abspath(v) for key in ("root", "path") if isinstance(v := dataset.get(key), str)}
        mapping["dataset"] = {"root": os.path.abspath("data")} | dataset | paths
    mapping["views"] = _views(mapping.get("views", DEFAULT_VIEWS.get(str(name), "stl10")), lines)
    defaults = {
        "objective": ObjectiveSpec(),
        "encoder": DEFAULT_ENCODERS.get(str(name), EncoderSpec()),
        "projector": ProjectorSpec(),
        "seed": 0,
        "optimizer": OptimizerSpec(),
        "precision": "fp32",
        "evaluate": EvaluateSpec(),
    }
    return defaults | mapping


def _views(value: Any, lines: Lines) -> Any:
    """A recipe's name, or a mapping that may start from one (`recipe: stl10`) and change some of it."""
    base = value.get("recipe") if isinstance(value, dict) else value
    if base is None:
        return value
    line = lines.get(("views", "recipe"), lines.get(("views",), 1))
    if not isinstance(base, str) or base not in VIEW_RECIPES:
        names = ", ".join(sorted(VIEW_RECIPES))
        raise YamlError(line, f"views: {base!r} is not a recipe; use one of {names}, or a mapping")
    changed = {k: v for k, v in value.items() if k != "recipe"} if isinstance(value, dict) else {}
    return asdict(VIEW_RECIPES[base]) | changed


def _identified(spec: RunSpec, lines: Lines, digests: dict[tuple[str, str | None], str]) -> RunSpec:
    """Content digest filled in, and the data set large enough for P and the budget."""
    dataset = spec.dataset
    at = _line(lines, ("dataset", "path") if dataset.by_content else ("dataset",))
    try:
        images, heldout = datasets.count(dataset)
        if dataset.by_content:
            place = (dataset.name, dataset.path)
            digests[place] = digests.get(place) or datasets.content_digest(dataset)
            spec = replace(spec, dataset=replace(dataset, digest=digests[place]))
    except (datasets.DatasetError, OSError) as error:
        raise YamlError(at, f"dataset: {error}") from error
    held = f" ({heldout} of {images + heldout} are held out)" if (dataset.name, "train") == ("digits", "train") else ""
    held = held or (f" ({heldout} more are held out)" if dataset.by_content else "")
    if images < spec.P:
        raise YamlError(
            _line(lines, ("P",)),
            f"P: {spec.P} exceeds the {images} training images of dataset '{dataset.name}'{held}; "
            f"use P <= {images} or a larger data set",
        )
    if spec.budget.total_steps(spec.P, images) < 1:
        raise YamlError(_line(lines, ("budget",)), f"budget: is less than one step of P = {spec.P} images; give more")
    return spec


def _located(error: ValidationError, mapping: dict[str, Any], lines: Lines, model: type) -> YamlError:
    """The first of pydantic's errors, in our words, at its line."""
    first = error.errors(include_url=False)[0]
    path = tuple(part for part in first["loc"] if not _is_union_branch(part))
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, SpecError):
        path = (*path, *filter(None, cause.key.split(".")))
    line = _line(lines, path)
    key, given = dotted(path), _value_at(mapping, path)
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return YamlError(line, _unknown(key, _keys_beside(model, path)))
    if first["type"] in ("missing", "missing_argument"):
        needed = f"{key} is missing" if len(path) == 1 else f"{dotted(path[:-1])}: key '{path[-1]}' is missing"
        splits = ", ".join(sorted({name for name, _ in NAMED_IMAGES} | {"folder", "parquet"}))
        hint = f"; name one of {splits}" if path[0] == "dataset" else "; add it"
        return YamlError(line, needed + hint)
    if cause is not None:
        shown = "" if given is None or isinstance(given, dict) else f" {_shown(given)}"
        return YamlError(line, f"{key}:{shown} {cause}" if key else str(cause))
    return YamlError(line, f"{key}: {_shown(given)} is wrong; {_lower(first['msg'])}")


def _is_union_branch(part: Any) -> bool:
    return isinstance(part, str) and (part in ("float", "int", "str") or "[" in part)


def _value_at(value: Any, path: KeyPath) -> Any:
    for part in path:
        if isinstance(value, dict):
            value = value.get(str(part))
        elif isinstance(value, (list, tuple)) and isinstance(part, int):
            value = value[part]
    return value


def _shown(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)


def _lower(message: str) -> str:
    message = message.replace("Input should be", "it should be").replace("an object", "a mapping")
    return message[:1].lower() + message[1:]


def _line(lines: Lines, path: KeyPath) -> int:
    """Line of the longest known prefix of `path`."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1


def _unknown(key: str, known: tuple[str, ...]) -> str:
    last = key.rsplit(".", 1)[-1]
    near = [name for name in known if name.lower() == last.lower()] or difflib.get_close_matches(last, known, 1)
    remedy = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}"
    return f"{key}: unknown key; {remedy}"


def _keys_beside(model: type, path: KeyPath) -> tuple[str, ...]:
    """The legal keys of the mapping in which `path`'s last key stands."""
    for part in path[:-1]:
        model = _class_of(get_type_hints(model)[str(part)])
    names = model.model_fields if issubclass(model, BaseModel) else [f.name for f in fields(model)]  # type: ignore[arg-type]
    return tuple(names)


def _class_of(annotation: Any) -> type:
    options = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    return next(option for option in options if isinstance(option, type))


def _is_tuple(path: KeyPath) -> bool:
    """Whether the field at `path` is a tuple, so that a plain list there is one value and not an axis."""
    model: Any = RunSpec
    for part in path:
        if not is_dataclass(model):
            return False
        model = get_type_hints(model).get(str(part))
    return get_origin(model) is tuple
