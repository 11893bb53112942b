"""What a run has where nothing else is asked for, and named recipes of views."""

from __future__ import annotations

import functools
from typing import Any

from mmcr_core.config.run import (
    TOWERS,
    BudgetSpec,
    DatasetSpec,
    EncoderSpec,
    EvaluateSpec,
    OptimizerSpec,
    ProjectorSpec,
    RunSpec,
    ViewSpec,
)
from mmcr_core.objectives import objective_spec

_DIGITS_VIEWS = ViewSpec(
    size=8, crop_scale=(0.4, 1.0), flip=0.0, saturation=0.0, hue=0.0, greyscale=0.0, mean=(0.3,), std=(0.38,)
)
VIEW_RECIPES: dict[str, ViewSpec] = {
    # Yerxa et al. 2023, public code, data sets CIFAR-10 and STL-10
    "cifar10": ViewSpec(size=32, mean=(0.4914, 0.4822, 0.4465), std=(0.247, 0.2435, 0.2616)),
    "stl10": ViewSpec(size=64, crop_scale=(0.2, 1.0), greyscale=0.1, mean=(0.43, 0.42, 0.39), std=(0.27, 0.26, 0.27)),
    "digits": _DIGITS_VIEWS,  # ours: a digit has no mirror image and no color
    "glyphs": ViewSpec(  # ours: nor has a glyph, and its height on the line is part of it
        size=32, crop_scale=(0.8, 1.0), flip=0.0, jitter=0.0, greyscale=0.0, mean=(0.09,), std=(0.26,)
    ),
    "clip": ViewSpec(  # Ilharco et al. 2021, OpenCLIP: a crop of nearly all, and nothing else
        size=224,
        crop_scale=(0.9, 1.0),
        flip=0.0,
        jitter=0.0,
        greyscale=0.0,
        mean=(0.48145466, 0.4578275, 0.40821073),
        std=(0.26862954, 0.26130258, 0.27577711),
    ),
}
DEFAULT_VIEWS = {"digits": "digits", "cifar10": "cifar10", "cifar100": "cifar10", "glyphs": "glyphs"}  # others: stl10
DEFAULT_ENCODERS = {
    "digits": EncoderSpec("convnet"),
    "cifar10": EncoderSpec("resnet18", "small"),
    "cifar100": EncoderSpec("resnet18", "small"),
}  # others: resnet18 with the ImageNet stem
LIMITED_PROBE_IMAGES = 5000  # `evaluate.probe_images` of a grid with `dataset.limit`


@functools.cache  # so that runs share them
def default_parts(dataset: str, pairs: bool = False) -> dict[str, Any]:
    """What a run on the data set called `dataset`, of `pairs` or of images, has where nothing else is asked for:
    fields of RunSpec."""
    encoder = EncoderSpec(TOWERS) if pairs else DEFAULT_ENCODERS.get(dataset, EncoderSpec())
    return {
        "objective": objective_spec("mmcr"),
        "encoder": encoder,
        "projector": ProjectorSpec(()) if pairs else ProjectorSpec(),
        "seed": 0,
        "optimizer": OptimizerSpec(),
        "views": VIEW_RECIPES[DEFAULT_VIEWS.get(dataset, "clip" if pairs else "stl10")],
        "precision": "fp32",
        "evaluate": EvaluateSpec(),
    }


def run_spec(dataset: DatasetSpec, P: int, D: int, K: int, budget: BudgetSpec, **parts: Any) -> RunSpec:
    """A run with `default_parts`, replaced by `parts`. Raises SpecError."""
    fields = {"dataset": dataset, "P": P, "D": D, "K": K, "budget": budget}
    return RunSpec(**default_parts(dataset.name, dataset.has_captions) | fields | parts)
