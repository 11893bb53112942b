"""What a grid says beside its runs: its name, checkpoints, resources, retries. None of it changes a result."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, field_validator

from sweeps.monitoring.trackers.choice import OWN, TRACKERS, require_known

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
LONGEST_NAME = 200  # characters, of the 255 bytes that a file name may have
TrackerName = Annotated[str, WithJsonSchema({"type": "string", "pattern": f"^({'|'.join(TRACKERS)}|{OWN.pattern})$"})]


class _Settings(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class CheckpointSettings(_Settings):
    """When a run is saved, and what stays of it."""

    every_seconds: float = Field(default=60.0, gt=0)
    """Seconds between checkpoints, more if writing would take over 2% of the time."""
    keep: Literal["none", "weights", "all"] = "weights"
    """What stays of a finished run: nothing, the weights, or all that a longer run needs to continue."""


class ResourceSettings(_Settings):
    """What one cell takes of a machine."""

    gpus: Literal["auto"] | float = "auto"
    """GPU of a cell: `auto` shares by memory, 1 is a whole one, 0.25 a share, 0 the CPU. A run uses one GPU at most."""
    cpus: Literal["auto"] | float = "auto"
    """CPU cores and threads of a cell. `auto` is one thread on any machine; another number changes last digits under
    the same run id."""

    @property
    def threads(self) -> int:
        """CPU threads of a run."""
        return 1 if self.cpus == "auto" else max(1, int(self.cpus))

    @field_validator("gpus")
    @classmethod
    def _at_most_one(cls, value: str | float) -> str | float:
        if isinstance(value, float) and not 0 <= value <= 1:
            one = "a run uses one GPU, and more GPUs run more cells at once"
            raise ValueError(f"must be auto, 0, a fraction such as 0.25, or 1: {one}")
        return value

    @field_validator("cpus")
    @classmethod
    def _positive(cls, value: str | float) -> str | float:
        if isinstance(value, float) and value <= 0:
            raise ValueError("must be auto or more than 0")
        return value


class GridSettings(_Settings):
    """What a grid says beside its runs; none of it changes a result or a run_id."""

    name: str
    """Name of the sweep and of its folder in `results`: letters, digits, '.', '_' and '-'."""
    retries: int = Field(default=0, ge=0, le=100)
    """How often a launch retries a failed cell."""
    compile: Literal["auto", "on", "off", "all"] = "auto"
    """Whether augmentations are compiled; `auto`: on a GPU. `all`: encoder and projector too, compiled once per shape
    of a cell."""
    checkpoint: CheckpointSettings = CheckpointSettings()
    """When a run is saved, and what stays of it."""
    resources: ResourceSettings = ResourceSettings()
    """What one cell takes of a machine."""
    memory: Literal["keep", "recompute"] = "keep"
    """`recompute`: blocks are recomputed in the backward pass, which takes less memory and about a third more time;
    gradients are the same."""
    track: tuple[TrackerName, ...] = ()
    """Trackers that follow the runs: tensorboard, wandb, mlflow, or `my_module:MyTracker`."""

    @field_validator("name")
    @classmethod
    def _plain(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError("must have letters, digits, '.', '_' and '-' only, and not begin with '.'")
        if len(value) > LONGEST_NAME:
            raise ValueError(f"has {len(value)} characters; {LONGEST_NAME} are the most that a folder's name can have")
        return value

    @field_validator("track")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            require_known(name)
        return value
