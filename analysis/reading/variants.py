"""What sets runs apart: labels made of what differs among their specs."""

from __future__ import annotations

import json
from typing import Any

NOT_VARIANT = ("P", "D", "K", "seed", "evaluate")  # axes of the paper's figures, replicates, what changes no run


def variants(specs: list[dict[str, Any]], beside: tuple[str, ...] = ()) -> list[str]:
    """A label for each spec made of what differs among them beside P, D, K, seed, what was measured (and keys such as
    `optimizer.learning_rate`): `mmcr` where nothing does, else such as `mmcr, optimizer.learning_rate=0.001`."""
    flat = [flatten({k: v for k, v in spec.items() if k not in NOT_VARIANT}) for spec in specs]
    keys = sorted({key for one in flat for key in one} - {"objective.name", "dataset.root", "dataset.path", *beside})
    differing = [key for key in keys if _differs(key, flat)]
    return [
        ", ".join([str(one["objective.name"]), *(f"{key}={one.get(key)}" for key in differing if _has(one, key))])
        for one in flat
    ]


def _has(one: dict[str, Any], key: str) -> bool:
    """Whether a key says anything of a run: an option of another objective does not."""
    return key in one or not key.startswith("objective.")


def _differs(key: str, flat: list[dict[str, Any]]) -> bool:
    """Whether specs differ in a key; in an objective's option, whether those of that objective do."""
    if not key.startswith("objective."):
        return len({json.dumps(one.get(key)) for one in flat}) > 1
    names = {one["objective.name"] for one in flat}
    return any(len({json.dumps(one.get(key)) for one in flat if one["objective.name"] == name}) > 1 for name in names)


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} as {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
