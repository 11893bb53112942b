"""An adaptive sweep in this process, without Ray: one worker, beside as many others on the same store as there are,
such as the tasks of a job array."""

from __future__ import annotations

import sys
import time
import uuid

from mmcr_core.config.run import RunSpec
from mmcr_core.config.run_id import run_id
from sweeps.cli.console import print_wrapped
from sweeps.execution.adaptive.preparation import adaptive_remarks, scheduler_of
from sweeps.execution.adaptive.scheduler import Scheduler
from sweeps.execution.adaptive.until import Until
from sweeps.execution.local import LocalWorker
from sweeps.monitoring.launch_outcome import Outcome
from sweeps.planning.launch_limits import Limits
from sweeps.planning.sweep import Sweep, record_launch, remarks, require_data, require_here, require_runnable, todo
from sweeps.storage.run_status import RunStatus

POLL_SECONDS = 1.0  # between two looks at rungs that others train


def train_until(sweep: Sweep, until: Until, limits: Limits) -> Outcome:
    """Train the next best rung, one after the other, until the target is met. Raises UserError before anything is
    written."""
    require_runnable(sweep)
    require_here(sweep)
    scheduler = scheduler_of(sweep, until, uuid.uuid4().hex)
    left = todo(sweep)
    for line in (left.note, *adaptive_remarks(sweep), *remarks(left.cells)):
        print_wrapped(line, sys.stderr)
    require_data(left.cells)
    known = {row["run_id"] for row in sweep.store.read_cells()}
    if {run_id(cell) for cell in sweep.grid_cells} != known:  # the first task of an array says what the sweep is
        record_launch(sweep)
    outcome = Outcome(finished_before=left.done)
    measured_again = [cell for cell in left.cells if sweep.store.status(run_id(cell)) == RunStatus.FINISHED]
    _work(scheduler, LocalWorker(sweep, limits, left.continues), sweep, limits, measured_again, outcome)
    outcome.unfinished = dict(left.diverged) | outcome.unfinished
    outcome.standing = scheduler.conclude()
    return outcome


def _work(scheduler: Scheduler, worker: LocalWorker, sweep: Sweep, limits: Limits, left: list[RunSpec],
          outcome: Outcome) -> None:  # fmt: skip
    for cell in left:  # of finished runs what is missing is measured
        if worker.train(cell, outcome) is RunStatus.RUNNING:
            return
    specs = {run_id(cell): cell for cell in sweep.cells}
    while True:
        if worker.stopped:
            worker.interrupt(outcome)
            return
        decision = scheduler.next()
        if decision is None:
            if scheduler.enough() or not (limits.wait and scheduler.waits()):
                return
            time.sleep(POLL_SECONDS)
            continue
        status = worker.train(specs[decision.run_id], outcome, decision)
        scheduler.returned(decision, status)
        if status is RunStatus.RUNNING:
            return
        if worker.process_ends:
            print_wrapped("this process can train nothing more; launch again to go on", sys.stderr)
            return
        if status is RunStatus.LEFT:
            outcome.unfinished.pop(decision.run_id, None)  # another launch does it
        else:
            print_wrapped(scheduler.standing().line(), sys.stderr)
