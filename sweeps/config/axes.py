"""The keys of a run as a grid spells them, and which of them a sweep varies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any

from mmcr_core.config.run import RunSpec
from mmcr_core.config.run_id import kept_with, run_id

Keys = dict[str, Any]
PAPER = ("P", "D", "K", "seed")  # shown for every sweep
BESIDE_THE_NAME = ("encoder.options", "objective.options")  # where a grid has what these hold
HIDDEN = (*PAPER, "encoder.architecture")  # follows from encoder.config


def keys_of(spec: RunSpec) -> Keys:
    """Dotted key -> value of all that a run is made of, `run_id` too; `encoder` is short for `encoder.name`."""
    return {"run_id": run_id(spec), **grid_keys(spec)}


def grid_keys(spec: RunSpec) -> Keys:
    """The same without `run_id`."""
    return keys_of_parts(_parts(spec))


def keys_of_parts(parts: Mapping[str, Any]) -> Keys:
    """The same of the parts that a spec is made of."""
    return _flat_parts(parts) | {key: part.name for key, part in parts.items() if hasattr(part, "name")}


def _parts(spec: RunSpec) -> Keys:
    return {one.name: getattr(spec, one.name) for one in fields(spec)}


def _flat_parts(parts: Mapping[str, Any]) -> Keys:
    """Dotted key -> value of parts, which are taken apart once for all runs that share them."""
    flat: Keys = {}
    for name, part in parts.items():
        flat |= _flat_part(name, part) if is_dataclass(part) else {name: part}
    return flat


def _flat_part(name: str, part: Any) -> Keys:
    return kept_with(part, "flat", lambda: _flat(asdict(part), f"{name}."))


def stored_keys(spec: str) -> Keys:
    """Dotted key -> value of a spec as a row keeps it."""
    return _flat(json.loads(spec))


def varying(specs: Iterable[RunSpec]) -> list[str]:
    """Keys beside P, D, K and seed in which runs differ, in the grid's order."""
    rest = [one.name for one in fields(RunSpec) if one.name not in PAPER]
    parts = {tuple(map(_same_part, (getattr(spec, name) for name in rest))): spec for spec in specs}
    return varying_keys([_flat_parts(_parts(spec)) for spec in parts.values()])


def _same_part(part: Any) -> Any:
    return id(part) if is_dataclass(part) else part


def varying_keys(runs: list[Keys]) -> list[str]:
    """The same, of runs as flat keys. An option of a part, such as objective.temperature, varies where runs whose part
    has the same name differ in it: that other objectives have other options goes without saying."""
    keys = dict.fromkeys(key for run in runs for key in run if key not in HIDDEN and not key.startswith("evaluate."))
    return [key for key in keys if _varies(key, runs)]


def _varies(key: str, runs: list[Keys]) -> bool:
    first = runs[0].get(key)
    if all((value := run.get(key)) == first and type(value) is type(first) for run in runs):
        return False
    part, _, option = key.partition(".")
    values: dict[Any, set[str]] = {}
    for run in runs:
        values.setdefault(None if option == "name" else run.get(f"{part}.name"), set()).add(json.dumps(run.get(key)))
    return any(len(found) > 1 for found in values.values())


def text_of(keys: Keys, key: str) -> str:
    """A value as tables show it; a dash where the run has no such key."""
    return str(keys[key]) if key in keys else "–"


def described(spec: RunSpec, more: Iterable[str]) -> str:
    """P=64 D=64 K=2 seed=0, and what else varies."""
    keys = keys_of(spec)
    return " ".join(f"{key}={keys[key]}" for key in (*PAPER, *more) if key in keys)


def column(key: str, keys: Iterable[str]) -> str:
    """What a table calls a key: its last part, unless another key ends alike."""
    last = key.rsplit(".", 1)[-1]
    alike = [other for other in keys if other.rsplit(".", 1)[-1] == last]
    return key if last in PAPER or len(alike) > 1 or last in ("name", "run_id") else last


def _flat(tree: Keys, prefix: str = "") -> Keys:
    flat: Keys = {}
    for key, value in sorted(tree.items(), key=lambda item: prefix + item[0] in BESIDE_THE_NAME):  # over keys not set
        below = prefix if prefix + key in BESIDE_THE_NAME else f"{prefix}{key}."
        flat |= _flat(value, below) if isinstance(value, dict) else {prefix + key: value}
    return flat
