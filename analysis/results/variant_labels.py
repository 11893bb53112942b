"""What sets runs apart: labels made of what differs among their specs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

BESIDE_THE_NAME = ("encoder.options", "objective.options")  # where a grid has what these hold
AXES = ("P", "D", "K", "seed")  # of the paper's figures, and replicates
NO_PART_OF_A_RUN = (  # keys with all below them; what is measured, and where data lies or how it is read
    "evaluate",
    "dataset.root",
    "dataset.path",
    "dataset.download",
    "dataset.processes",
    "dataset.samples",
    "dataset.label_column",
    "encoder.config",
)


def changes_runs(key: str) -> bool:
    """Whether a key of a spec is part of what a run is."""
    return not any(key == outside or key.startswith(f"{outside}.") for outside in NO_PART_OF_A_RUN)


def variants(
    specs: list[dict[str, Any]], beside: tuple[str, ...] = (), planned: Sequence[dict[str, Any]] = ()
) -> list[str]:
    """A label for each spec made of what differs among them beside P, D, K, seed and what was measured (and keys such
    as `optimizer.learning_rate`): `mmcr` where nothing does, else such as `mmcr, optimizer.learning_rate=0.001`. An
    option is named where it differs among runs whose part has the same name: `simclr, objective.temperature=0.5`. What
    advances with P, D or K, as linked keys of a grid do, sets no runs apart. `planned`: specs of runs that have not
    ended, which count too."""
    every = [*specs, *planned]
    alike = [json.dumps({k: v for k, v in spec.items() if k not in (*AXES, "evaluate")}) for spec in every]
    flat = {one: flatten(json.loads(one)) for one in dict.fromkeys(alike)}
    linked = _linked(every, [flat[one] for one in alike])
    labels = dict(zip(flat, _labels(list(flat.values()), (*beside, *linked)), strict=True))
    return [labels[one] for one in alike[: len(specs)]]


def _linked(specs: Sequence[dict[str, Any]], flat: Sequence[dict[str, Any]]) -> list[str]:
    """Keys of which each value of P, of D or of K has one value, and not all the same; never what parts are called."""
    distinct = list({id(one): one for one in flat}.values())
    keys = {key for one in distinct for key in one if not key.endswith(".name")}
    found = []
    for key in (key for key in keys if len({json.dumps(one.get(key)) for one in distinct}) > 1):
        for axis in ("P", "D", "K"):
            pairs = {(spec.get(axis), json.dumps(one.get(key))) for spec, one in zip(specs, flat, strict=True)}
            if len(pairs) == len({size for size, _ in pairs}) > 1:
                found.append(key)
    return found


def _labels(flat: list[dict[str, Any]], beside: tuple[str, ...]) -> list[str]:
    keys = sorted(filter(changes_runs, {key for one in flat for key in one} - {"objective.name", *beside}))
    differing: dict[str, set[str | None]] = {key: where_it_differs(key, flat) for key in keys}
    return [
        ", ".join([str(one["objective.name"]), *(f"{key}={one[key]}" for key in keys if _named(key, one, differing))])
        for one in flat
    ]


def _named(key: str, one: dict[str, Any], differing: dict[str, set[str | None]]) -> bool:
    return key in one and _part(key, one) in differing[key]


def _part(key: str, one: dict[str, Any]) -> str | None:
    """Name of the part that an option belongs to."""
    part, _, option = key.partition(".")
    return None if option == "name" else one.get(f"{part}.name")


def where_it_differs(key: str, flat: list[dict[str, Any]]) -> set[str | None]:
    """Names of the parts among whose runs an option differs."""
    values: dict[str | None, set[str]] = {}
    for one in flat:
        values.setdefault(_part(key, one), set()).add(json.dumps(one.get(key)))
    return {part for part, found in values.items() if len(found) > 1}


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} as {"a.b": 1}, options of custom code as a grid has them, `encoder.width`."""
    flat: dict[str, Any] = {}
    for key, value in sorted(tree.items(), key=lambda item: prefix + item[0] in BESIDE_THE_NAME):  # over keys not set
        if isinstance(value, dict):
            flat |= flatten(value, prefix if prefix + key in BESIDE_THE_NAME else f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
