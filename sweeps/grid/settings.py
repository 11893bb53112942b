"""What a grid says beside its runs: its name, checkpoints, resources, retries. None of it changes a result."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class CheckpointSettings(_Settings):
    """A checkpoint at least every so many seconds of training. Of a finished run stays what `keep` says: the network's
    weights, to measure and to use it, or all that a longer run needs to go on from it."""

    every_seconds: float = Field(default=60.0, gt=0)
    keep: Literal["none", "weights", "all"] = "weights"


class ResourceSettings(_Settings):
    """GPUs and CPU cores of one cell: a number, a fraction of a GPU, or `auto`."""

    gpus: Literal["auto"] | float = "auto"
    cpus: Literal["auto"] | float = "auto"

    @field_validator("gpus")
    @classmethod
    def _whole_above_one(cls, value: str | float) -> str | float:
        if isinstance(value, float) and (value < 0 or (value > 1 and value != int(value))):
            raise ValueError("must be auto, 0, a fraction below 1, or a whole number")
        return value

    @field_validator("cpus")
    @classmethod
    def _positive(cls, value: str | float) -> str | float:
        if isinstance(value, float) and value <= 0:
            raise ValueError("must be auto or more than 0")
        return value


class GridSettings(_Settings):
    """What a grid says beside its runs; none of it changes a result or a run_id. `retries`: times a cell that
    failed is tried again in the same launch; `compile`: the views, `auto` means on a GPU."""

    name: str
    retries: int = Field(default=0, ge=0, le=100)
    compile: Literal["auto", "on", "off"] = "auto"
    checkpoint: CheckpointSettings = CheckpointSettings()
    resources: ResourceSettings = ResourceSettings()

    @field_validator("name")
    @classmethod
    def _plain(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError("use letters, digits, '.', '_' and '-' only, not beginning with '.'")
        return value
