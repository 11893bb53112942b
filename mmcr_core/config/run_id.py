"""What makes two runs the same: a hash of everything that determines their trajectory, and of nothing else.

`PARTS` and `OPTIONS` spell out what counts, key by key, so that no run id depends on how the classes of a spec look.
Not in it: names, paths, resources, checkpoints, compilation, and what is measured: asking for one more measure must
not train again. A key that is added later is left out of the hash while it has a value that means what was done before
it existed (`NEUTRAL`). `ALGORITHM` has a number for each part of the code that makes numbers, by name (1 where it lists
none), raised whenever the same spec would give other numbers there; so mending one objective orphans no other's runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

from mmcr_core.config.run import DatasetSpec, RunSpec, is_custom

ALGORITHM: dict[str, dict[str, int]] = {
    "source": {"images": 1, "pairs": 1},
    "network": {"resnet18": 1, "convnet": 1},
    "objective": {"mmcr": 1},
    "optimizer": {"adam": 1},
}
T = TypeVar("T")
KEPT = "_kept"  # attribute of frozen parts, no field of theirs
NUMBERS = "P D K seed precision"
PARTS = {
    "dataset": "name split size heldout digest limit pairs captions sampling decoding max_pixels image_column "
    "caption_column",
    "encoder": "name stem width model options source architecture",
    "projector": "hidden",
    "budget": "epochs steps images",
    "optimizer": "name learning_rate weight_decay schedule warmup "
    "momentum nesterov trust_coefficient eps exclude_bias_and_norm",
    "views": "size crop_scale crop_ratio flip jitter brightness contrast saturation hue greyscale blur blur_sigma "
    "solarise mean std",
}
OWN = "your own"
OPTIONS = {  # of objectives, beside the name
    "alignment": "",
    "barlow_twins": "off_diagonal_weight scale",
    "byol": "momentum predictor_hidden",
    "clip": "temperature",
    "frossl": "invariance_weight",
    "mcr2": "eps expansion_scale expansion_weight",
    "mmcr": "local_weight clip_weight",
    "siglip": "temperature bias",
    "simclr": "temperature",
    "swav": "prototypes temperature epsilon iterations queue queue_start frozen",
    "vicreg": "invariance_weight variance_weight covariance_weight target_std epsilon",
    OWN: "options source least_views",
}
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "dataset.limit": (None,),
    "dataset.pairs": (False,),
    "dataset.captions": (None,),
    "dataset.sampling": (None,),
    "dataset.decoding": (None,),
    "dataset.max_pixels": (None,),
    "dataset.image_column": (None,),
    "dataset.label_column": (None,),
    "dataset.caption_column": (None,),
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
WRITTEN_WHERE_SET = (  # later keys, absent in specs stored before
    *("decoding", "max_pixels", "probe_images", "image_column", "label_column", "caption_column"),
)
NOT_IDENTITY = (
    "evaluate",
    "dataset.root",
    "dataset.path",
    "dataset.download",
    "dataset.processes",
    "dataset.samples",
    "dataset.label_column",
    "encoder.config",
)


def identity(spec: RunSpec) -> dict[str, Any]:
    """What determines the trajectory of a run, as JSON would hold it."""
    found: dict[str, Any] = json.loads(_canonical_identity(spec))
    return found


def _canonical_identity(spec: RunSpec) -> str:
    """Its canonical JSON. The cells of a grid share their parts, so that the text of a part is kept with it."""
    objective = spec.objective.name
    keys = PARTS | {"objective": f"name {OPTIONS[OWN if is_custom(objective) else objective]}"}
    source = "pairs" if spec.dataset.has_captions else "images"
    names = {"source": source, "network": spec.encoder.name, "objective": objective, "optimizer": spec.optimizer.name}
    texts = {
        **{key: canonical_json(getattr(spec, key)) for key in NUMBERS.split()},
        **{part: _text(part, getattr(spec, part), named) for part, named in keys.items()},
        "algorithm": canonical_json({part: ALGORITHM[part].get(name, 1) for part, name in names.items()}),
    }
    return "{" + ",".join(f'"{key}":{texts[key]}' for key in sorted(texts)) + "}"


def _text(part: str, fields: object, keys: str) -> str:
    return kept_with(fields, "canonical", lambda: canonical_json(_values(part, fields, keys.split())))


def kept_with(part: object, what: str, make: Callable[[], T]) -> T:
    """What is made of a frozen part, made once for all runs that share it."""
    kept = vars(part).setdefault(KEPT, {})
    if what not in kept:
        kept[what] = make()
    found: T = kept[what]
    return found


def _values(part: str, fields: object, keys: list[str]) -> dict[str, Any]:
    """Those of `keys` whose value is not neutral."""
    values = {key: getattr(fields, key) for key in keys}
    return {key: value for key, value in values.items() if value not in NEUTRAL.get(f"{part}.{key}", ())}


def dataset_content(dataset: DatasetSpec) -> dict[str, Any]:
    """What determines the content of a data set, wherever it lies, and which labels are looked at."""
    return _values("dataset", dataset, [*PARTS["dataset"].split(), "label_column"])


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces; equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def spec_to_json(spec: RunSpec) -> str:
    """A spec as a run's row keeps it, with every default filled in but that of a later key;
    `sweeps.config.spec_serialization` reads it back."""

    def written(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {key: value for key, value in pairs if value is not None or key not in WRITTEN_WHERE_SET}

    kept = asdict(spec, dict_factory=written)
    if (zero_shot := kept["evaluate"]["zero_shot"]) and zero_shot["digest"] is None:
        del zero_shot["digest"]
    return canonical_json(kept)


def digest(value: Any) -> str:
    """First 16 hex digits of the SHA-256 of the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]


def run_id(spec: RunSpec) -> str:
    """The digest of `identity(spec)`: what a run is called in the store."""
    return kept_with(spec, "run_id", lambda: hashlib.sha256(_canonical_identity(spec).encode()).hexdigest()[:16])
