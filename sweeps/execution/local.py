"""Cells of a grid in this process, without Ray, as a task of a Slurm array: the store, leases, checkpoints and exit
codes of a launch. Where the process can train nothing more, as after a failed capture, the cell goes on in a fresh one.
"""

from __future__ import annotations

import math
import signal
import sys
import time
import traceback
from dataclasses import replace

import torch

from mmcr_core.config.run import RunSpec
from mmcr_core.config.run_id import run_id
from mmcr_core.training import process_must_end
from sweeps.cli.errors import OptionError
from sweeps.config.axes import described
from sweeps.execution.executor_settings import ExecutorSettings, Progress
from sweeps.execution.fresh_process import Carried, start_again
from sweeps.execution.retries import RESTARTS, Retry, next_attempt
from sweeps.execution.run_executor import RunExecutor
from sweeps.execution.run_metadata import describe_run
from sweeps.execution.signals import STOPS, StopFlag
from sweeps.monitoring.launch_outcome import Ending, Outcome, StopReason
from sweeps.planning.launch_limits import Limits
from sweeps.planning.sweep import Sweep, record_launch, remarks, require_data, require_here, require_runnable, todo
from sweeps.storage.decisions import StoredDecision
from sweeps.storage.run_status import RunStatus

SLICE_SECONDS = 1.0
SHOWN_SECONDS = 30.0


def train_one(sweep: Sweep, number: int, limits: Limits) -> tuple[Sweep, Outcome]:
    """Train cell `number` of the grid, counted from 0 in its own order; the sweep with that cell alone, and how it
    ended. Raises UserError for a number that the grid does not have, and for more cores than there are."""
    cells = sweep.grid_cells
    if not 0 <= number < len(cells):
        raise OptionError(
            "cell", f"{number} is not a cell of the grid; use 0..{len(cells) - 1}, as --plan numbers them"
        )
    sweep = replace(sweep, cells=(cells[number],), retry_diverged=True)
    require_runnable(sweep)
    require_here(sweep)
    left = todo(sweep)
    said = f"cell {number}, {described(cells[number], sweep.varying)}: {left.note}"
    print("\n".join([said, *sweep.remarks, *remarks(left.cells)]), file=sys.stderr)
    if not left.cells:
        return sweep, Outcome(finished_before=left.done)
    require_data(left.cells)
    if not sweep.store.read_cells():  # the first task of an array says what the sweep is
        record_launch(sweep)
    worker, outcome = LocalWorker(sweep, limits, left.continues), Outcome()
    worker.train(cells[number], outcome)
    return sweep, outcome


class LocalWorker:
    """This process, which trains cells of a sweep one after the other; `continues`: as of PendingCells."""

    def __init__(self, sweep: Sweep, limits: Limits, continues: dict[str, str]) -> None:
        self._sweep, self._limits, self._continues = sweep, limits, continues
        carried = Carried.here()
        self.deadline = limits.deadline if carried.deadline is None else carried.deadline
        self._carried = replace(carried, deadline=self.deadline)
        self.process_ends = False  # whether nothing more can be trained in it
        self.flag, self._said = StopFlag(), set[str]()
        self.flag.catch(*STOPS, signal.SIGINT)

    @property
    def stopped(self) -> bool:
        """Whether a signal, or the end of its time, stops it."""
        return self.flag.stopped or time.monotonic() > self.deadline

    def interrupt(self, outcome: Outcome) -> None:
        """Say in `outcome` what stopped it."""
        outcome.interrupted, outcome.timed_out = True, not self.flag.stopped

    def train(self, spec: RunSpec, outcome: Outcome, decision: StoredDecision | None = None) -> RunStatus:
        """Train a cell, to its end or up to the rung of a decision, and add how it ended to `outcome`; RUNNING where it
        was stopped."""
        settings, key = self._sweep.settings, run_id(spec)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        threads = settings.resources.threads
        devices = 1.0 if device == "cuda" else float(threads)
        how = ExecutorSettings.of(settings, device, threads, self._continues.get(key), devices)
        while True:
            trial = RunExecutor(spec, self._sweep.store, settings.name, how, decision=decision)
            try:
                progress = self._advance(trial)
            except Exception as error:
                if not process_must_end(error):
                    raise
                if self._carried.restarts < RESTARTS:
                    print(f"{error}; the cell goes on in a fresh process", file=sys.stderr)
                    start_again(self._carried.restarted())
                progress = self._record_failure(spec, error)
            if progress.status is RunStatus.RUNNING:
                self.interrupt(outcome)
                return progress.status
            ending = progress.ending
            if next_attempt(ending, self._carried.attempts + 1, settings.retries, alone=True) is Retry.NO:
                self._carried, self.process_ends = Carried(deadline=self.deadline), progress.process_ends
                if progress.status is not RunStatus.PAUSED:
                    outcome.add(key, ending)
                return progress.status
            self._carried = self._carried.attempted()
            if progress.process_ends:
                start_again(self._carried)

    def _advance(self, trial: RunExecutor) -> Progress:
        """Train until the trial ends, which is said, or until it was stopped, when it is still running."""
        shown = time.monotonic()
        while True:
            progress = trial.advance(SLICE_SECONDS, stop=self.flag)
            for note in progress.notes:
                if note not in self._said:
                    self._said.add(note)
                    print(note, file=sys.stderr)
            if progress.status is not RunStatus.RUNNING:
                return progress
            if self.stopped:
                trial.stop()
                return progress
            now = time.monotonic()
            if now - shown > SHOWN_SECONDS:
                shown = now
                error = f"percent error {progress.percent_error:.4f}, {progress.images_per_second:,.0f} images/s"
                print(f"step {progress.step:,} of {progress.steps:,}, {error}", file=sys.stderr)

    def _record_failure(self, spec: RunSpec, error: Exception) -> Progress:
        """The row of a cell that no process can train, and how it stands."""
        store = self._sweep.store
        ending = Ending(StopReason.WORKER_DIED, f"its process had to end {RESTARTS + 1} times; last: {error}")
        if store.status(run_id(spec)) != RunStatus.FINISHED:  # what was to be measured later is missing, and no more
            store.write_log(run_id(spec), "".join(traceback.format_exception(error)))
            row = describe_run(spec, self._sweep.settings.name)
            store.write_run({**row, "status": ending.status, "error": ending.text})
        return Progress(ending.status, 0, 0, math.nan, 0.0, ending, process_ends=True)
