"""What sets runs apart: labels made of what differs among their specs."""

from __future__ import annotations

import json
from typing import Any

NOT_VARIANT = ("P", "D", "K", "seed", "evaluate")  # axes of the paper's figures, replicates, what changes no run


def variants(specs: list[dict[str, Any]], beside: tuple[str, ...] = ()) -> list[str]:
    """A label for each spec made of what differs among them beside P, D, K, seed and what was measured (and keys such as
    `optimizer.learning_rate`): `mmcr` where nothing does, else such as `mmcr, optimizer.learning_rate=0.001`."""
    flat = [flatten({k: v for k, v in spec.items() if k not in NOT_VARIANT}) for spec in specs]
    keys = sorted({key for one in flat for key in one} - {"objective.name", "dataset.root", "dataset.path", *beside})
    differing = [key for key in keys if len({json.dumps(one.get(key)) for one in flat}) > 1]
    return [", ".join([str(one["objective.name"]), *(f"{key}={one.get(key)}" for key in differing)]) for one in flat]


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} as {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
