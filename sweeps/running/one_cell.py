"""One cell of a grid in this process, without Ray, as a task of a Slurm array: the store, claims, checkpoints and exit
codes of a launch."""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import replace
from typing import Literal

import torch

from mmcr_core.identity import run_id
from sweeps.grid.axes import described
from sweeps.running.calibrate import compiles
from sweeps.running.cores import usable_cores
from sweeps.running.limits import Limits
from sweeps.running.outcome import Outcome
from sweeps.running.resumable_trial import Trial
from sweeps.running.stop_signals import STOPS, StopFlag
from sweeps.running.sweep import Sweep, record_launch, remarks, require_data, require_runnable, todo
from sweeps.running.trial_settings import TrialSettings
from sweeps.storage.errors import UserError

SLICE_SECONDS = 1.0
SHOWN_SECONDS = 30.0


def train_one(sweep: Sweep, number: int, limits: Limits) -> tuple[Sweep, Outcome]:
    """Train cell `number` of the grid, counted from 0 in its own order; the sweep with that cell alone, and how it
    ended. Raises UserError for a number that the grid does not have, and for more cores than there are."""
    cells = sweep.grid_cells
    if not 0 <= number < len(cells):
        raise UserError(f"--cell: {number} is not a cell of the grid; use 0..{len(cells) - 1}, as --plan numbers them")
    sweep = replace(sweep, cells=(cells[number],), retry_diverged=True)
    require_runnable(sweep)
    cores = _cores(sweep.settings.resources.cpus)
    left = todo(sweep)
    said = f"cell {number}, {described(cells[number], sweep.varying)}: {left.note}"
    print("\n".join([said, *remarks(left.cells)]), file=sys.stderr)
    if not left.cells:
        return sweep, Outcome(finished_before=left.done)
    require_data(left.cells)
    if not sweep.store.read_cells():  # the first task of an array says what the sweep is
        record_launch(sweep)
    return sweep, _train(sweep, left.continues, limits, cores)


def _cores(asked: float | Literal["auto"]) -> int:
    there = usable_cores()
    if asked == "auto":
        return there
    if asked > there:
        raise UserError(f"resources.cpus: {asked:g} exceeds the {there} cores there are; use less or auto")
    return max(1, int(asked))


def _train(sweep: Sweep, continues: dict[str, str], limits: Limits, cores: int) -> Outcome:
    (spec,), settings, outcome = sweep.cells, sweep.settings, Outcome()
    key, device = run_id(spec), "cuda" if torch.cuda.is_available() else "cpu"
    how = TrialSettings(
        device=device,
        threads=1 if device == "cuda" else cores,
        checkpoint_seconds=settings.checkpoint.every_seconds,
        keep=settings.checkpoint.keep,
        compiled=compiles(settings.compile, device),
        continues=continues.get(key),
        tensorboard=limits.tensorboard,
    )
    flag, said, shown = StopFlag(), set[str](), time.monotonic()
    flag.catch(*STOPS, signal.SIGINT)
    for attempt in range(settings.retries + 1):
        trial = Trial(spec, sweep.store, settings.name, how)
        while True:
            progress = trial.advance(SLICE_SECONDS, stop=flag)
            for note in progress.notes:
                if note not in said:
                    said.add(note)
                    print(note, file=sys.stderr)
            if progress.status != "running":
                break
            now = time.monotonic()
            if flag.stopped or now > limits.deadline:
                trial.stop()
                outcome.interrupted, outcome.timed_out = True, not flag.stopped
                return outcome
            if now - shown > SHOWN_SECONDS:
                shown = now
                error = f"percent error {progress.percent_error:.4f}, {progress.images_per_second:,.0f} images/s"
                print(f"step {progress.step:,} of {progress.steps:,}, {error}", file=sys.stderr)
        if progress.status in ("finished", "left", "diverged") or attempt == settings.retries:
            break
    if progress.status == "finished":
        outcome.finished.append(key)
    else:
        outcome.unfinished[key] = f"{progress.status}: {progress.error}"
    return outcome
