"""Ray Tune over the cells of a plan: one Tune trial per cell, or per some dozen short ones, actors reused, the most
expensive cell first.

Ray only schedules. What has happened is in the store: a cell that raises or diverges writes its own row; for
a worker that died the driver writes it. Ray's experiment state goes to a temporary folder and is dropped.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import ray
from ray import tune
from ray.tune import FailureConfig
from ray.tune.search import Searcher

from mmcr_core import custom_imports
from sweeps.cli.formatting import counted
from sweeps.config.settings import GridSettings
from sweeps.execution.ray.plan_searcher import PlanSearcher, grouped, resources
from sweeps.execution.ray.trainable import CellTrainable, Job, code_version
from sweeps.execution.ray.worker_failures import Returned, Watcher, WorkerWatch
from sweeps.execution.retries import RESTARTS, Retry, next_attempt
from sweeps.monitoring.launch_outcome import Ending, Outcome
from sweeps.monitoring.trackers.choice import passed_on
from sweeps.planning.launch_limits import Limits
from sweeps.planning.plan import Cell
from sweeps.planning.profiling import shape_key
from sweeps.storage.filesystems import resolved
from sweeps.storage.run_status import RunStatus
from sweeps.storage.sweep_store import Store

POLL_SECONDS = 1.0  # between two looks at cells that another launch trains


@dataclass(frozen=True)
class Launch:
    """One launch of a sweep in the Ray that is connected. `folder` is for Ray's own state."""

    settings: GridSettings
    store: Store
    watcher: Watcher
    folder: Path
    limits: Limits
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def run(self, cells: list[Cell]) -> Outcome:
        """Train `cells` in their order and say how each ended.

        Cells that failed are tried again as `next_attempt` says. Those that another launch trains are waited for, if
        `limits.wait`, and trained here where it gives up.
        """
        outcome = self._run_rounds(cells)
        while self.limits.wait and not outcome.interrupted and (ids := outcome.with_status(RunStatus.LEFT)):
            others = [cell for cell in cells if cell.run_id in ids]
            leave = "--no-wait or wait=False leaves them"
            self.watcher.noted(f"waiting for {counted(len(others), 'cell')} that another launch trains ({leave})")
            try:
                abandoned = self._wait_for(others, outcome)
            except KeyboardInterrupt:
                outcome.interrupted = True
                break
            if abandoned:
                outcome.replace([cell.run_id for cell in abandoned], self._run_rounds(abandoned))
        outcome.timed_out = outcome.interrupted and time.monotonic() > self.limits.deadline
        return outcome

    def _run_rounds(self, cells: list[Cell]) -> Outcome:
        outcome = self._run_once(cells, alone=False)
        for attempts in itertools.count(1):
            again, alone = self._to_retry(cells, outcome, attempts)
            if not again or outcome.interrupted or time.monotonic() > self.limits.deadline:
                break
            outcome.replace([cell.run_id for cell in again], self._run_once(again, alone=alone))
        return outcome

    def _wait_for(self, others: list[Cell], outcome: Outcome) -> list[Cell]:
        """Wait until each of `others` has ended. Those that nobody trains any more are returned as soon as there are
        any."""
        while others:
            if time.monotonic() > self.limits.deadline:
                outcome.interrupted = True
                return []
            idle = [cell for cell in others if not self.store.lease(cell.run_id, "").held()]
            abandoned = []
            for cell in idle:
                status = self.store.status(cell.run_id)
                if status == RunStatus.FINISHED:
                    del outcome.unfinished[cell.run_id]
                    outcome.add(cell.run_id, None)
                elif status is None:
                    abandoned.append(cell)
                else:
                    outcome.add(cell.run_id, Ending.of_row(self.store.read_run(cell.run_id)))
            if abandoned:
                return abandoned
            others = [cell for cell in others if cell not in idle]
            time.sleep(POLL_SECONDS if others else 0)
        return []

    def calibrate(self, cells: list[Cell]) -> None:
        """Measure the shapes of `cells` that were not measured before, alone on their GPU or core, and keep
        what they cost for plans. Writes nothing to the store."""
        shapes = {}
        for cell in cells:
            if not cell.measured:
                device = "cuda" if cell.gpus else "cpu"
                shapes[
                    shape_key(
                        cell.spec, device, cell.threads, self.settings.compile, self.settings.memory == "recompute"
                    )
                ] = cell
        if shapes:
            self._run_once([whole_gpu(cell) for cell in shapes.values()], calibrate=True)

    def _to_retry(self, cells: list[Cell], outcome: Outcome, attempts: int) -> tuple[list[Cell], bool]:
        """Cells for another attempt, and whether one at a time."""
        endings = [outcome.unfinished.get(cell.run_id) for cell in cells]
        how = [next_attempt(ending, attempts, self.settings.retries) for ending in endings]
        again = [
            whole_gpu(cell) if retry is Retry.ALONE else cell
            for cell, retry in zip(cells, how, strict=True)
            if retry is not Retry.NO
        ]
        return again, Retry.ALONE in how

    def _run_once(self, cells: list[Cell], *, calibrate: bool = False, alone: bool = False) -> Outcome:
        outcome = Outcome()
        slots = max(1, int(ray.cluster_resources().get("CPU", 1)))
        trials = [[cell] for cell in cells] if alone or calibrate else list(grouped(cells, slots))
        most = 1 if alone else self.limits.max_concurrent
        while trials:
            stranded = self._fit(cells, outcome, PlanSearcher(trials), len(trials), most=most, calibrate=calibrate)
            ended = {*outcome.finished, *outcome.unfinished}
            outcome.interrupted = {*ended, *(cell.run_id for cell in stranded)} != {cell.run_id for cell in cells}
            trials = [] if outcome.interrupted else [[cell] for cell in stranded]
        return outcome

    def fit(self, cells: list[Cell], outcome: Outcome, search: Searcher, returned: Returned) -> None:
        """Train what `search` suggests of `cells`, a rung each, until it has FINISHED, or the launch is interrupted."""
        self._fit(cells, outcome, search, -1, returned=returned)

    def _fit(self, cells: list[Cell], outcome: Outcome, search: Searcher, trials: int, *, most: int | None = None,
             calibrate: bool = False, returned: Returned | None = None) -> list[Cell]:  # fmt: skip
        """Add how cells ended to `outcome`; returns those that a trial which ended with another cell left alone."""
        by_id = {cell.run_id: cell for cell in cells}
        reporter = WorkerWatch(by_id, self.settings, self.store, self.watcher, outcome, returned)
        job = Job(
            by_id,
            self.settings,
            resolved(self.store.root),
            self.id,
            code_version(),
            passed_on(),
            calibrate,
            custom_imports.folders(),
        )
        trainable = tune.with_resources(tune.with_parameters(CellTrainable, job=job), resources)
        left = self.limits.deadline - time.monotonic()
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=search,
                num_samples=trials,
                reuse_actors=True,
                max_concurrent_trials=most,
                time_budget_s=max(1.0, left) if math.isfinite(left) else None,
            ),
            run_config=tune.RunConfig(
                name=self.settings.name,
                storage_path=str(self.folder),
                verbose=0,
                failure_config=FailureConfig(max_failures=RESTARTS),
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
                callbacks=[reporter],
            ),
        )
        # Ctrl-C: the outcome says which cells have not ended.
        with contextlib.suppress(KeyboardInterrupt), _quiet_tune():
            tuner.fit()
        return reporter.stranded


def whole_gpu(cell: Cell) -> Cell:
    """With a whole GPU, where it has any."""
    return replace(cell, gpus=float(math.ceil(cell.gpus)))


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
