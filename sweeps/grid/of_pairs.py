"""What a grid says of image-text pairs, spelled out and checked: paths, configurations of towers, zero-shot classes."""

from __future__ import annotations

import os
from typing import Any

from mmcr_core.pairs.zero_shot import require_texts
from mmcr_core.spec import EvaluateSpec
from mmcr_core.training.data import require_present


def at_absolute_paths(dataset: dict[str, Any]) -> dict[str, Any]:
    """A data set's mapping, its paths those of this folder; URLs stay as they are."""
    given = {key: value for key in ("root", "path") if isinstance(value := dataset.get(key), str)}
    paths = {key: value if "://" in value else os.path.abspath(value) for key, value in given.items()}
    return {"root": os.path.abspath("data")} | dataset | paths


def with_config_at(encoder: Any) -> Any:
    """An encoder's mapping, its configuration's file at an absolute path; any other value as it is."""
    config = encoder.get("config") if isinstance(encoder, dict) else None
    if isinstance(config, str) and config.endswith(".json"):
        return {**encoder, "config": os.path.abspath(config)}
    return encoder


def zero_shot_spelled_out(evaluate: dict[str, Any]) -> dict[str, Any]:
    """`zero_shot: {dataset: cifar10, classes: FILE}` with the data set a mapping and the files' paths absolute."""
    given = evaluate.get("zero_shot")
    if not isinstance(given, dict):
        return evaluate
    dataset = given.get("dataset")
    dataset = {"name": dataset} if isinstance(dataset, str) else dataset
    files = {
        key: os.path.abspath(value)
        for key in ("classes", "templates")
        if isinstance(value := given.get(key), str) and value != "imagenet"
    }
    spelled = {"dataset": at_absolute_paths(dataset)} if isinstance(dataset, dict) else {}
    return evaluate | {"zero_shot": given | spelled | files}


def require_zero_shot(evaluate: EvaluateSpec) -> None:
    """Raises SpecError, DatasetError where what the zero-shot measures look at is absent or of no use."""
    if evaluate.zero_shot is not None:
        require_texts(evaluate)
        require_present(evaluate.zero_shot.dataset)
