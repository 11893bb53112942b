"""The configuration of an exported network: this project's own keys, beside those that timm and open_clip look for."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from mmcr_core.config.run import RunSpec
from mmcr_core.config.run_id import spec_to_json
from mmcr_core.models.custom_encoders import timm_arguments
from mmcr_core.models.dual_encoder import resolved
from mmcr_core.models.encoders import feature_count

CONFIG, OPEN_CLIP_CONFIG = "config.json", "open_clip_config.json"
OURS = "mmcr_sweeps"  # the key under which this project's own lie


def config_of(spec: RunSpec, run_id: str, step: int, form: str) -> dict[str, Any]:
    """What `config.json` says: all that `load_encoder` needs, and timm's keys where timm loads it."""
    config = {
        OURS: version("mmcr-sweeps"),
        "run_id": run_id,
        "format": form,
        "step": step,
        "image_size": spec.views.size,
        "mean": list(spec.views.mean),
        "std": list(spec.views.std),
        "augmentations": asdict(spec.views),
        "spec": json.loads(spec_to_json(spec)),
    }
    return config | (_of_timm(spec) if form == "timm" else {})


def _of_timm(spec: RunSpec) -> dict[str, Any]:
    channels, size = len(spec.views.mean), spec.views.size
    return {
        "architecture": spec.encoder.model or spec.encoder.name,
        "num_classes": 0,
        "num_features": feature_count(spec.encoder, channels, size),
        "model_args": {key: value for key, value in timm_arguments_of(spec).items() if key != "num_classes"},
        "pretrained_cfg": {
            "input_size": [channels, size, size],
            "fixed_input_size": False,
            "interpolation": "bilinear",
            "crop_pct": 1.0,
            "crop_mode": "squash",
            "mean": list(spec.views.mean),
            "std": list(spec.views.std),
            "num_classes": 0,
        },
    }


def timm_arguments_of(spec: RunSpec) -> dict[str, Any]:
    """What timm.create_model is given for the encoder of a run, beside the architecture's name."""
    channels, encoder = len(spec.views.mean), spec.encoder
    if encoder.name == "timm":
        return timm_arguments(encoder, channels, spec.views.size)
    return {"in_chans": channels, "num_classes": 0}


def open_clip_config(spec: RunSpec) -> dict[str, Any]:
    """What open_clip reads: the architecture at the size of the views, and how images are prepared."""
    architecture = json.loads(spec.encoder.architecture or resolved(spec.encoder.config or ""))
    width = architecture["embed_dim"] if spec.projector.hidden else spec.D
    vision = architecture["vision_cfg"] | {"image_size": spec.views.size}
    mean, std = (list(each) * (3 // len(each)) for each in (spec.views.mean, spec.views.std))
    return {
        "model_cfg": {**architecture, "embed_dim": width, "vision_cfg": vision, "custom_text": True},
        "preprocess_cfg": {
            "size": spec.views.size,
            "mean": mean,
            "std": std,
            "interpolation": "bilinear",
            "resize_mode": "squash",
        },
    }
