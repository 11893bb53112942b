"""What Tune tells of its workers, passed on to whoever watches; a cell whose worker died gets its row from here."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from ray.tune import Callback

from mmcr_core.config.run import RunSpec
from sweeps.config.settings import GridSettings
from sweeps.execution.executor_settings import Progress
from sweeps.execution.ray.trainable import OtherCode
from sweeps.execution.retries import RESTARTS
from sweeps.execution.run_metadata import describe_run
from sweeps.monitoring.launch_outcome import Ending, Outcome, StopReason
from sweeps.monitoring.standing import Standing
from sweeps.planning.plan import Cell
from sweeps.storage.run_status import RunStatus
from sweeps.storage.sweep_store import Store


class Watcher(Protocol):
    """Whoever shows the sweep to a person."""

    def started(self, cell: Cell) -> None: ...
    def progressed(self, cell: Cell, progress: Progress) -> None: ...
    def ended(self, cell: Cell, progress: Progress) -> None: ...
    def noted(self, note: str) -> None: ...
    def stands(self, standing: Standing) -> None: ...


Returned = Callable[[Cell, Progress], None]  # told of each trial that has ended


class WorkerWatch(Callback):  # type: ignore[misc]
    """Passes what Tune sees to the watcher, adds how cells ended to `outcome`, and records those whose worker died."""

    def __init__(
        self,
        cells: dict[str, Cell],
        settings: GridSettings,
        store: Store,
        watcher: Watcher,
        outcome: Outcome | None = None,
        returned: Returned | None = None,
    ) -> None:
        self._cells, self._settings, self._store, self._watcher = cells, settings, store, watcher
        self.outcome, self._returned = outcome or Outcome(), returned
        self._left: dict[str, list[str]] = {}  # trial_id -> runs of it that have not ended, the current one first
        self.stranded: list[Cell] = []  # of trials that ended before they came to these

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles callbacks with its state, which nobody restores; a terminal cannot be pickled."""
        return {}

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """Also after a worker died: its successor begins with the first, and those that have ended stay so."""
        self._watcher.started(self._cells[self._runs(trial)[0]])

    def _runs(self, trial: Any) -> list[str]:
        return self._left.setdefault(trial.trial_id, list(trial.config["run_ids"]))

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Any, **info: Any) -> None:
        left = self._runs(trial)
        for run_id, progress in result["progress"]:
            if run_id not in left:
                continue
            cell = self._cells[run_id]
            self._watcher.progressed(cell, progress)
            if progress.status is not RunStatus.RUNNING:
                left.remove(run_id)
                if progress.status is not RunStatus.PAUSED:
                    self.outcome.add(run_id, progress.ending)
                self._ended(cell, progress)
                if left:
                    self._watcher.started(self._cells[left[0]])

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self._strand(self._left.pop(trial.trial_id, []))

    def _strand(self, left: list[str]) -> None:
        self.stranded += [self._cells[run_id] for run_id in left]

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        current, *others = self._runs(trial)
        del self._left[trial.trial_id]
        self._strand(others)
        cell = self._cells[current]
        ending = _ending(trial)
        self._record_failure(cell.spec, ending, trial.error_file)
        self.outcome.add(cell.run_id, ending)
        self._ended(cell, Progress(ending.status, 0, cell.steps, math.nan, 0.0, ending))

    def _ended(self, cell: Cell, progress: Progress) -> None:
        self._watcher.ended(cell, progress)
        if self._returned:
            self._returned(cell, progress)

    def _record_failure(self, spec: RunSpec, ending: Ending, error_file: str | None) -> None:
        """A run that has finished stays so: its worker died while what it lacked was measured."""
        row = describe_run(spec, self._settings.name)
        with contextlib.suppress(OSError):  # a full disk: the reason is told all the same, and the cell is missing
            if error_file and Path(error_file).exists():
                self._store.write_log(row["run_id"], Path(error_file).read_text(encoding="utf-8", errors="replace"))
            if self._store.status(row["run_id"]) != RunStatus.FINISHED:
                self._store.write_run({**row, "status": ending.status, "error": ending.text})


def _ending(trial: Any) -> Ending:
    """Why Tune gave a cell up: a node that has other code says so itself, everything else is a process that died."""
    cause = getattr(trial.get_pickled_error(), "cause", None)
    if isinstance(cause, OtherCode):
        return Ending(StopReason.OTHER_CODE, str(cause))
    file = Path(trial.error_file) if trial.error_file else None
    lines = file.read_text(encoding="utf-8", errors="replace").strip().splitlines() if file and file.exists() else []
    last = lines[-1].strip() if lines else "no reason was reported"
    return Ending(StopReason.WORKER_DIED, f"the worker process died {RESTARTS + 1} times; last: {last}")
