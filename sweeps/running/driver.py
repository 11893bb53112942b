"""Ray Tune over the cells of a plan: one Tune trial a cell, actors reused, the most expensive cell first.

Ray only schedules. What has happened is in the store: a cell that raises or diverges writes its own row; for
a worker that died the driver writes it. Ray's experiment state goes to a temporary folder and is dropped.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import ray
from ray import tune
from ray._private import ray_constants
from ray.tune import Callback, FailureConfig

from mmcr_core.spec import RunSpec
from sweeps.running.calibrate import shape_key
from sweeps.storage.errors import UserError
from sweeps.grid.grid_file import GridSettings
from sweeps.running.plan import Cell
from sweeps.storage.sweep_store import Store
from sweeps.running.resumable_trial import Progress, describe_run
from sweeps.running.worker import CellTrainable, Job, code_version

CONNECT_SECONDS = 10
OUT_OF_MEMORY = "OutOfMemoryError"
WORKER_DIED = "the worker process died"
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
    timed_out: bool = False


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
        # Nothing listens to the outside: Ray's processes then take the loopback address, as they do by default
        # on macOS and Windows, and bind to that alone.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        ray_constants.ENABLE_RAY_CLUSTER = False
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


@dataclass(frozen=True)
class Launch:
    """One launch of a sweep in the Ray that is connected. `folder` is for Ray's own state; `deadline` in the
    time of time.monotonic(): running cells then write a checkpoint, and nothing more starts."""

    settings: GridSettings
    store: Store
    watcher: Watcher
    folder: Path
    max_concurrent: int | None = None
    deadline: float = math.inf
    tensorboard: bool = False
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def run(self, cells: list[Cell]) -> Outcome:
        """Train `cells` in their order and say how each ended.

        A cell that ran out of memory, or whose process was killed as a system without memory does, is tried
        again alone; one that failed otherwise, as often as `settings.retries` says.
        """
        outcome = self._run_once(cells, alone=False)
        for attempt in range(1, self.settings.retries + 2):
            again = self._to_retry(cells, outcome, attempt)
            if not again or outcome.interrupted or time.monotonic() > self.deadline:
                break
            later = self._run_once(again, alone=any(_exhausted(outcome, cell) for cell in again))
            for cell in again:
                del outcome.unfinished[cell.run_id]
            outcome.finished += later.finished
            outcome.unfinished |= later.unfinished
            outcome.interrupted = later.interrupted
        outcome.timed_out = outcome.interrupted and time.monotonic() > self.deadline
        return outcome

    def calibrate(self, cells: list[Cell]) -> None:
        """Measure the shapes of `cells` that were not measured before, alone on their GPU or core, and keep
        what they cost for plans. Writes nothing to the store."""
        shapes = {
            shape_key(c.spec, "cuda" if c.gpus else "cpu", max(1, int(c.cpus))): c for c in cells if not c.measured
        }
        if shapes:
            alone = [replace(cell, gpus=float(math.ceil(cell.gpus))) for cell in shapes.values()]
            self._run_once(alone, calibrate=True)

    def _to_retry(self, cells: list[Cell], outcome: Outcome, attempt: int) -> list[Cell]:
        again = []
        for cell in cells:
            reason = outcome.unfinished.get(cell.run_id, "left")
            if attempt == 1 and _exhausted(outcome, cell):
                again.append(replace(cell, gpus=float(math.ceil(cell.gpus))))
            elif not reason.startswith("left") and attempt <= self.settings.retries:
                again.append(cell)
        return again

    def _run_once(self, cells: list[Cell], *, calibrate: bool = False, alone: bool = False) -> Outcome:
        by_id = {cell.run_id: cell for cell in cells}
        reporter = _Reporter(by_id, self.settings, self.store, self.watcher)
        job = Job(
            by_id, self.settings, resolved(self.store.root), self.id, self.tensorboard, code_version(), calibrate
        )
        trainable = tune.with_resources(
            tune.with_parameters(CellTrainable, job=job),
            lambda config: {"cpu": by_id[config["run_id"]].cpus, "gpu": by_id[config["run_id"]].gpus},
        )
        left = self.deadline - time.monotonic()
        tuner = tune.Tuner(
            trainable,
            param_space={"run_id": tune.grid_search([cell.run_id for cell in cells])},
            tune_config=tune.TuneConfig(
                reuse_actors=True,
                max_concurrent_trials=1 if alone else self.max_concurrent,
                time_budget_s=max(1.0, left) if math.isfinite(left) else None,
            ),
            run_config=tune.RunConfig(
                name=self.settings.name,
                storage_path=str(self.folder),
                verbose=0,
                failure_config=FailureConfig(max_failures=WORKER_RESTARTS),
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
                callbacks=[reporter],
            ),
        )
        # Ctrl-C: the outcome says which cells have not ended.
        with contextlib.suppress(KeyboardInterrupt), _quiet_tune():
            tuner.fit()
        ended = {*reporter.outcome.finished, *reporter.outcome.unfinished}
        reporter.outcome.interrupted = ended != set(by_id)
        return reporter.outcome


def _exhausted(outcome: Outcome, cell: Cell) -> bool:
    reason = outcome.unfinished.get(cell.run_id, "")
    return OUT_OF_MEMORY in reason or WORKER_DIED in reason


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
        reason = _worker_reason(trial.error_file)
        self._record_failure(cell.spec, reason)
        self.outcome.unfinished[cell.run_id] = f"failed: {reason}"
        self._watcher.ended(cell, Progress("failed", 0, cell.steps, float("nan"), 0.0, reason))

    def _record_failure(self, spec: RunSpec, reason: str) -> None:
        row = describe_run(spec, self._settings.name)
        with contextlib.suppress(OSError):  # a full disk: the reason is told all the same, and the cell is missing
            self._store.write_run({**row, "status": "failed", "error": reason})


def _worker_reason(file: str | None) -> str:
    lines = Path(file).read_text().strip().splitlines() if file and Path(file).exists() else []
    if mismatch := [line for line in lines if "install the same on every node" in line]:
        return mismatch[-1].removeprefix("RuntimeError: ").strip()
    last = lines[-1].strip() if lines else "no reason was reported"
    return f"{WORKER_DIED} {WORKER_RESTARTS + 1} times; last: {last}"


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
