"""What a tracker is told of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mmcr_core.config.run import RunSpec

if TYPE_CHECKING:  # plans name trackers and train nothing
    from mmcr_core.training import Chunk


@dataclass(frozen=True)
class TrackedRun:
    """A run of `spec` in the sweep of that name, whose store is at `root`, that has `steps` steps in the end; `logged`:
    how many of them this tracker was given by earlier processes."""

    run_id: str
    sweep: str
    spec: RunSpec
    steps: int
    root: Path
    logged: int

    @property
    def name(self) -> str:
        """What a person calls it."""
        spec = self.spec
        return f"P={spec.P} D={spec.D} K={spec.K} seed={spec.seed} {self.run_id[:6]}"


class Tracker(Protocol):
    """Made without arguments in the process that trains. Whatever its methods raise is a warning: the run goes on
    without the tracker."""

    def start(self, run: TrackedRun) -> int | None:
        """Begin the tracker's run, or go on with the one that an earlier process began. Returns how many of its steps
        the tracker has, which are not given again; None: `run.logged`."""

    def log(self, chunk: Chunk) -> None:
        """Steps `chunk.step_first` to `chunk.step_last`, which the store has: those that follow the last ones."""

    def finish(self, row: Mapping[str, Any] | None) -> None:
        """The run has ended, with this row of the table `runs`; None: it stops here, and another process goes on."""


def final_numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a run's row that are its outcome or cost, by their names below `final/`."""
    known = ("P", "D", "K", "seed", "schema_version")
    numbers = {key: value for key, value in row.items() if isinstance(value, int | float) and key not in known}
    return {f"final/{key}": float(value) for key, value in numbers.items()}
