"""What Tune tells of its workers, passed on to whoever watches; a cell whose worker died gets its row from here."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Protocol

from ray.tune import Callback

from mmcr_core.spec import RunSpec
from sweeps.grid.settings import GridSettings
from sweeps.running.outcome import Outcome
from sweeps.running.plan import Cell
from sweeps.running.run_row import describe_run
from sweeps.running.trial_settings import Progress
from sweeps.storage.sweep_store import Store

WORKER_DIED = "the worker process died"
WORKER_RESTARTS = 2  # times a cell whose process died is resumed before it counts as failed


class Watcher(Protocol):
    """Whoever shows the sweep to a person."""

    def started(self, cell: Cell) -> None: ...
    def progressed(self, cell: Cell, progress: Progress) -> None: ...
    def ended(self, cell: Cell, progress: Progress) -> None: ...
    def noted(self, note: str) -> None: ...


class WorkerWatch(Callback):  # type: ignore[misc]
    """Passes what Tune sees to the watcher, and records cells whose worker died."""

    def __init__(self, cells: dict[str, Cell], settings: GridSettings, store: Store, watcher: Watcher) -> None:
        self._cells, self._settings, self._store, self._watcher = cells, settings, store, watcher
        self.outcome = Outcome()

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles callbacks with its state, which nobody restores; a terminal cannot be pickled."""
        return {}

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self._watcher.started(self._cells[trial.config["run_id"]])

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Any, **info: Any) -> None:
        self._watcher.progressed(self._cells[trial.config["run_id"]], result["progress"])

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        cell, progress = self._cells[trial.config["run_id"]], trial.last_result["progress"]
        if progress.status == "finished":
            self.outcome.finished.append(cell.run_id)
        else:
            self.outcome.unfinished[cell.run_id] = f"{progress.status}: {progress.error}"
        self._watcher.ended(cell, progress)

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        cell = self._cells[trial.config["run_id"]]
        reason = _worker_reason(trial.error_file)
        self._record_failure(cell.spec, reason, trial.error_file)
        self.outcome.unfinished[cell.run_id] = f"failed: {reason}"
        self._watcher.ended(cell, Progress("failed", 0, cell.steps, float("nan"), 0.0, reason))

    def _record_failure(self, spec: RunSpec, reason: str, error_file: str | None) -> None:
        """A run that has finished stays so: its worker died while what it lacked was measured."""
        row = describe_run(spec, self._settings.name)
        with contextlib.suppress(OSError):  # a full disk: the reason is told all the same, and the cell is missing
            if error_file and Path(error_file).exists():
                self._store.write_log(row["run_id"], Path(error_file).read_text())
            if self._store.status(row["run_id"]) != "finished":
                self._store.write_run({**row, "status": "failed", "error": reason})


def _worker_reason(file: str | None) -> str:
    lines = Path(file).read_text().strip().splitlines() if file and Path(file).exists() else []
    if mismatch := [line for line in lines if "install the same on every node" in line]:
        return mismatch[-1].removeprefix("RuntimeError: ").strip()
    last = lines[-1].strip() if lines else "no reason was reported"
    return f"{WORKER_DIED} {WORKER_RESTARTS + 1} times; last: {last}"
