"""Ray Tune over the cells of a plan: one Tune trial a cell, actors reused, the most expensive cell first.

Ray only schedules. What has happened is in the store: a cell that raises or diverges writes its own row; for
a worker that died the driver writes it. Ray's experiment state goes to a temporary folder and is dropped.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import ray
from ray import tune
from ray.tune import Callback, FailureConfig, Trainable

from mmcr_core.spec import RunSpec
from sweeps.errors import UserError
from sweeps.grid import GridSettings
from sweeps.plan import Cell
from sweeps.store import Store
from sweeps.trial import Progress, Trial, describe_run

SLICE_SECONDS = 1.0  # of training between two reports of a trial
CONNECT_SECONDS = 10
WORKER_RESTARTS = 2  # times a cell whose process died is resumed before it counts as failed


class Watcher(Protocol):
    """Whoever shows the sweep to a person."""

    def started(self, cell: Cell) -> None: ...
    def progressed(self, cell: Cell, progress: Progress) -> None: ...
    def ended(self, cell: Cell, progress: Progress) -> None: ...


class ClusterError(UserError):
    """The cluster cannot run the plan; the message says what would."""


@dataclass
class Outcome:
    """run_ids by how they ended, with the reason of each that did not finish."""

    finished: list[str] = field(default_factory=list)
    unfinished: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False


@dataclass(frozen=True)
class Cluster:
    """What the connected Ray offers, and a folder for its own state that ends with the connection."""

    gpus: float
    cpus: float
    folder: Path


@contextlib.contextmanager
def cluster(address: str | None) -> Iterator[Cluster]:
    """A local Ray for this sweep, or the running one at `address`.

    Raises: ClusterError where nothing answers at `address`.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"  # else Tune prints a banner whatever its verbosity
    if address is not None:
        _require_answer(address)
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        options |= {"include_dashboard": False}
    try:
        ray.init(address=address or "local", **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ClusterError(f"no Ray cluster answers at --address {address}: {reason}") from error
    folder = Path(tempfile.mkdtemp(prefix="mmcr-sweeps-ray-"))
    try:
        total = ray.cluster_resources()
        yield Cluster(total.get("GPU", 0.0), total.get("CPU", 0.0), folder)
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _require_answer(address: str) -> None:
    """Raises ClusterError where nothing listens at `address`, for which Ray itself would wait for minutes."""
    current = Path(tempfile.gettempdir(), "ray", "ray_current_cluster")
    known = os.environ.get("RAY_ADDRESS") or (current.read_text().strip() if current.exists() else "")
    place = known if address == "auto" else address
    host, _, port = place.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        where = f"{address} ({place})" if address == "auto" and place else address
        remedy = "start one with: ray start --head, or leave --address out to run on this machine"
        raise ClusterError(f"no Ray cluster answers at --address {where}; {remedy}") from error


def check_resources(cells: list[Cell], gpus: float, cpus: float) -> None:
    """Raises ClusterError where a cell asks for more than there is: Ray would leave it pending for ever."""
    for cell in cells:
        if cell.gpus > gpus:
            raise ClusterError(f"resources.gpus: {cell.gpus:g} exceeds the {gpus:g} GPUs there are; use less or auto")
        if cell.cpus > cpus:
            raise ClusterError(f"resources.cpus: {cell.cpus:g} exceeds the {cpus:g} cores there are; use less or auto")


def run_cells(
    cells: list[Cell],
    settings: GridSettings,
    store: Store,
    watcher: Watcher,
    folder: Path,
    max_concurrent: int | None = None,
) -> Outcome:
    """Train `cells` in the Ray that is connected, in their order, and say how each ended."""
    by_id = {cell.run_id: cell for cell in cells}
    reporter = _Reporter(by_id, settings, store, watcher)
    shared = {"cells": by_id, "settings": settings, "root": str(store.root.resolve()), "launch": uuid.uuid4().hex}
    trainable = tune.with_resources(
        tune.with_parameters(CellTrainable, **shared),
        lambda config: {"cpu": by_id[config["run_id"]].cpus, "gpu": by_id[config["run_id"]].gpus},
    )
    tuner = tune.Tuner(
        trainable,
        param_space={"run_id": tune.grid_search([cell.run_id for cell in cells])},
        tune_config=tune.TuneConfig(reuse_actors=True, max_concurrent_trials=max_concurrent),
        run_config=tune.RunConfig(
            name=settings.name,
            storage_path=str(folder),
            verbose=0,
            failure_config=FailureConfig(max_failures=WORKER_RESTARTS),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
            callbacks=[reporter],
        ),
    )
    try:
        with _quiet_tune():
            tuner.fit()
    except KeyboardInterrupt:
        pass  # the outcome below says which cells have not ended
    ended = {*reporter.outcome.finished, *reporter.outcome.unfinished}
    reporter.outcome.interrupted = ended != set(by_id)
    return reporter.outcome


class CellTrainable(Trainable):  # type: ignore[misc]
    """Tune's view of one `Trial`: each `step` trains for a slice of time and reports where it stands."""

    def setup(
        self, config: dict[str, Any], cells: Any = None, settings: Any = None, root: str = "", launch: str = ""
    ) -> None:
        self._cells, self._settings, self._store, self._launch = cells, settings, Store(root), launch
        self._begin(config["run_id"])

    def reset_config(self, config: dict[str, Any]) -> bool:
        self._begin(config["run_id"])
        return True

    def _begin(self, run_id: str) -> None:
        cell: Cell = self._cells[run_id]
        self._trial = Trial(
            cell.spec,
            self._store,
            self._settings.name,
            launch=self._launch,
            device="cuda" if cell.gpus > 0 else "cpu",
            threads=max(1, int(cell.cpus)),
            checkpoint_seconds=self._settings.checkpoint.every_seconds,
            keep_checkpoint=self._settings.checkpoint.keep,
        )

    def step(self) -> dict[str, Any]:
        progress = self._trial.advance(SLICE_SECONDS)
        return {"progress": progress, "done": progress.status != "running"}

    def cleanup(self) -> None:
        self._trial.stop()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Tune asks before it moves a trial; the store's own checkpoints are the ones that count."""
        self._trial.save()

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing of Tune's to load: `Trial` starts from the store's newest checkpoint."""


class _Reporter(Callback):  # type: ignore[misc]
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
        reason = f"the worker process died {WORKER_RESTARTS + 1} times; last: {_last_line(trial.error_file)}"
        self._record_failure(cell.spec, reason)
        self.outcome.unfinished[cell.run_id] = f"failed: {reason}"
        self._watcher.ended(cell, Progress("failed", 0, cell.steps, float("nan"), 0.0, reason))

    def _record_failure(self, spec: RunSpec, reason: str) -> None:
        row = describe_run(spec, self._settings.name)
        self._store.write_run({**row, "status": "failed", "error": reason})


def _last_line(file: str | None) -> str:
    lines = Path(file).read_text().strip().splitlines() if file and Path(file).exists() else []
    return lines[-1].strip() if lines else "no reason was reported"


@contextlib.contextmanager
def _quiet_tune() -> Iterator[None]:
    """Tune's own loggers say nothing below an error while the watcher speaks."""
    loggers = [logging.getLogger(name) for name in ("ray.tune", "ray.train", "ray")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
