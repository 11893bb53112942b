"""The first of pydantic's complaints about a grid, in our words, at its line."""

from __future__ import annotations

import difflib
import types
from dataclasses import fields
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError

from mmcr_core.config.run import NAMED_IMAGES, SpecError
from sweeps.config.yaml_lines import Line, Lines, YamlError, dotted
from sweeps.config.yaml_lines import Path as KeyPath


def located(error: ValidationError, mapping: dict[str, Any], lines: Lines, model: type, at: KeyPath = ()) -> YamlError:
    """The first of pydantic's errors about `mapping`, which stands at `at` in the grid, in our words, at its line."""
    first = error.errors(include_url=False)[0]
    inside = tuple(part for part in first["loc"] if not _is_union_branch(part))
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, SpecError):
        inside = (*inside, *filter(None, cause.key.split(".")))
    path = (*at, *inside)
    line = line_of(lines, path)
    key, given = dotted(path), _value_at(mapping, inside)
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return YamlError(line, unknown_key(key, _keys_beside(model, inside)))
    if first["type"] == "missing" and isinstance(path[-1], int):
        return YamlError(
            line, f"{dotted(path[:-1])}: {_shown(given)} has too few values; value {path[-1] + 1} is missing"
        )
    if first["type"] in ("missing", "missing_argument"):
        needed = f"{key} is missing" if len(path) == 1 else f"{dotted(path[:-1])}: key '{path[-1]}' is missing"
        splits = ", ".join(sorted({name for name, _ in NAMED_IMAGES} | {"folder", "parquet", "shards"}))
        hint = f"; name one of {splits}" if path[0] == "dataset" else "; add it"
        return YamlError(line, needed + hint)
    if cause is not None:
        shown = "" if given is None or isinstance(given, dict) else f" {_shown(given)}"
        return YamlError(line, f"{key}:{shown} {cause}" if key else str(cause))
    example = f", such as [{given}]" if first["type"] in ("list_type", "tuple_type") and isinstance(given, str) else ""
    return YamlError(line, f"{key}: {_shown(given)} is wrong; {_lower(first['msg'])}{example}")


def _is_union_branch(part: Any) -> bool:
    return isinstance(part, str) and (part in ("float", "int", "str") or "[" in part)


def _value_at(value: Any, path: KeyPath) -> Any:
    for part in path:
        if isinstance(value, dict):
            value = value.get(str(part))
        elif isinstance(value, (list, tuple)) and isinstance(part, int):
            if part >= len(value):
                return value  # one that is missing: the list is what is wrong
            value = value[part]
    return value


def _shown(value: Any) -> str:
    """As the grid writes it."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(str, value))}]"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return f"'{value}'" if isinstance(value, str) else str(value)


def _lower(message: str) -> str:
    message = message.replace("Input should be", "it should be").replace("an object", "a mapping")
    message = message.replace("a valid array", "a list").replace("a valid integer", "a whole number")
    message = message.replace("Tuple", "it").replace("items after validation", "values")
    return message[:1].lower() + message[1:]


def line_of(lines: Lines, path: KeyPath) -> Line:
    """Line of the longest known prefix of `path`."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1


def unknown_key(key: str, known: tuple[str, ...]) -> str:
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
