"""The keys of a run as a grid spells them, and which of them a sweep varies."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from mmcr_core.identity import run_id
from mmcr_core.spec import RunSpec

Keys = dict[str, Any]
PAPER = ("P", "D", "K", "seed")  # shown for every sweep


def keys_of(spec: RunSpec) -> Keys:
    """Dotted key -> value of all that a run is made of, `run_id` too; `encoder` is short for `encoder.name`."""
    fields = asdict(spec)
    short = {key: part["name"] for key, part in fields.items() if isinstance(part, dict) and "name" in part}
    return {"run_id": run_id(spec), **_flat(fields), **short}


def stored_keys(spec: str) -> Keys:
    """Dotted key -> value of a spec as a row keeps it."""
    return _flat(json.loads(spec))


def varying(specs: Iterable[RunSpec]) -> list[str]:
    """Keys beside P, D, K and seed in which runs differ, in the grid's order."""
    return varying_keys([_flat(asdict(spec)) for spec in specs])


def varying_keys(runs: list[Keys]) -> list[str]:
    """The same, of runs as flat keys."""
    keys = dict.fromkeys(key for run in runs for key in run if key not in PAPER and not key.startswith("evaluate."))
    return [key for key in keys if _varies(key, runs)]


def _varies(key: str, runs: list[Keys]) -> bool:
    """Whether runs differ in a key. An objective's options differ where runs of that objective do: that another one
    lacks them says no more than its name."""
    if key.startswith("objective.") and key != "objective.name":
        names = {run.get("objective.name") for run in runs}
        groups = [[run for run in runs if run.get("objective.name") == name] for name in names]
    else:
        groups = [runs]
    return any(len({json.dumps(run.get(key)) for run in group}) > 1 for group in groups)


def described(spec: RunSpec, more: Iterable[str]) -> str:
    """P=64 D=64 K=2 seed=0, and what else varies."""
    keys = keys_of(spec)
    return " ".join(f"{key}={keys.get(key)}" for key in (*PAPER, *more))


def column(key: str, keys: Iterable[str]) -> str:
    """What a table calls a key: its last part, unless another key ends alike."""
    last = key.rsplit(".", 1)[-1]
    alike = [other for other in keys if other.rsplit(".", 1)[-1] == last]
    return key if last in PAPER or len(alike) > 1 or last in ("name", "run_id") else last


def _flat(tree: Keys, prefix: str = "") -> Keys:
    flat: Keys = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat
