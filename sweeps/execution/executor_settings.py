"""What a trial is told, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmcr_core.theory import RepresentationCollapse
from sweeps.monitoring.launch_outcome import Ending
from sweeps.storage.run_status import RunStatus

if TYPE_CHECKING:  # pydantic's, which training does without
    from sweeps.config.settings import GridSettings

JUDGED_FROM = 0.1  # of a run on its embeddings may have collapsed: before, they have not spread yet


@dataclass(frozen=True)
class Progress:
    """Where a trial stands; `ending`: why it did not finish, where it has ended; `process_ends`: nothing more can be
    trained in this process; `collapse`: of its embeddings."""

    status: RunStatus
    step: int
    steps: int
    percent_error: float
    images_per_second: float
    ending: Ending | None = None
    notes: tuple[str, ...] = ()
    process_ends: bool = False
    collapse: RepresentationCollapse | None = None

    @property
    def error(self) -> str | None:
        """What a person reads of its ending."""
        return self.ending.text if self.ending else None


@dataclass(frozen=True)
class ExecutorSettings:
    """How a run is run, none of which changes its result but for rounding.

    A checkpoint is written every `checkpoint_seconds`, or less often where writing one takes more than
    CHECKPOINT_SHARE of that time; `keep` says what stays of a finished run (none, weights, all); `compiled` and
    `network_compiled`: whether the views are, and encoder and projector; `continues`: run_id of a finished, shorter run
    that this one continues; `track`: names of the trackers that follow it; `recomputed`: as of
    Pretraining; `devices`: GPUs or shares of one, or without a GPU CPU cores, that it holds: what it costs.
    """

    device: str = "cpu"
    threads: int = 1
    checkpoint_seconds: float = 60.0
    keep: str = "weights"
    compiled: bool = False
    network_compiled: bool = False
    continues: str | None = None
    track: tuple[str, ...] = ()
    recomputed: bool = False
    devices: float = 1.0

    @staticmethod
    def of(
        settings: GridSettings, device: str, threads: int, continues: str | None = None, devices: float = 1.0
    ) -> ExecutorSettings:
        """Of a cell of a grid, whatever runs it."""
        return ExecutorSettings(
            device,
            threads,
            settings.checkpoint.every_seconds,
            settings.checkpoint.keep,
            compiles(settings.compile, device),
            compiles_network(settings.compile),
            continues,
            settings.track,
            settings.memory == "recompute",
            devices,
        )


def compiles(compile: str, device: str) -> bool:
    """Whether the views are compiled on a device: `compile` is auto (on a GPU), on, off or all."""
    return compile in ("on", "all") or (compile == "auto" and device.startswith("cuda"))


def compiles_network(compile: str) -> bool:
    """Whether encoder and projector are compiled too."""
    return compile == "all"
