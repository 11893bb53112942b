"""What makes two runs the same: a hash of everything that determines their trajectory, and of nothing else.

Not in it: names, paths, resources, checkpoints, compilation, and what is measured: asking for one more measure must
not train again. `ALGORITHM` has a number for each part of the code that makes numbers, by name (1 where it lists none),
raised whenever the same spec would give other numbers there; so mending one objective orphans no other's runs. A field
that is added later is left out of the hash while it has a value that means what was done before it existed
(`NEUTRAL`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from mmcr_core.spec import RunSpec

ALGORITHM: dict[str, dict[str, int]] = {
    "source": {"images": 1, "pairs": 1},
    "network": {"resnet18": 1, "convnet": 1},
    "objective": {"mmcr": 1},
    "optimizer": {"adam": 1},
}
NOT_IDENTITY = (
    "evaluate",
    "dataset.root",
    "dataset.path",
    "dataset.download",
    "dataset.processes",
    "dataset.samples",
    "encoder.config",
)
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "dataset.limit": (None,),
    "dataset.pairs": (False,),
    "dataset.captions": (None,),
    "dataset.sampling": (None,),
    "objective.clip_weight": (0.0,),
    "encoder.width": (None, 64),
    "encoder.model": (None,),
    "encoder.options": (None,),
    "encoder.source": (None,),
    "encoder.architecture": (None,),
    "optimizer.momentum": (None,),
    "optimizer.nesterov": (None,),
    "optimizer.trust_coefficient": (None,),
    "optimizer.eps": (None, 1e-8),
    "optimizer.exclude_bias_and_norm": (None,),
}


def identity(spec: RunSpec) -> dict[str, Any]:
    """What determines the trajectory of a run, as JSON would hold it."""
    fields = asdict(spec)
    for key in NOT_IDENTITY:
        _remove(fields, key)
    for key, values in NEUTRAL.items():
        _remove(fields, key, values)
    source = "pairs" if spec.dataset.has_captions else "images"
    names = {"source": source, "network": spec.encoder.name, "objective": spec.objective.name}
    names["optimizer"] = spec.optimizer.name
    return fields | {"algorithm": {part: ALGORITHM[part].get(name, 1) for part, name in names.items()}}


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces; equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """First 16 hex digits of the SHA-256 of the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]


def run_id(spec: RunSpec) -> str:
    """The digest of `identity(spec)`: what a run is called in the store."""
    return digest(identity(spec))


def _remove(fields: dict[str, Any], key: str, values: tuple[Any, ...] | None = None) -> None:
    """Remove a dotted key, if it is there and has one of the values (None: whatever it has)."""
    *path, last = key.split(".")
    for part in path:
        fields = fields[part]
    if last in fields and (values is None or fields[last] in values):
        del fields[last]
