"""A launch under Ray: what cells cost, and training those that the store does not have."""

from __future__ import annotations

import sys
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from sweeps.cli.console import print_wrapped
from sweeps.execution.ray.cluster import Cluster, cluster
from sweeps.execution.ray.ray_tune import Launch
from sweeps.execution.signals import like_ctrl_c
from sweeps.monitoring.launch_outcome import Outcome
from sweeps.monitoring.live_table import LiveTable
from sweeps.planning.launch_limits import Limits
from sweeps.planning.machine import this_machine
from sweeps.planning.plan import Cell, remaining
from sweeps.planning.plan_warnings import require_memory
from sweeps.planning.sweep import (
    Sweep,
    record_launch,
    remarks,
    require_data,
    require_here,
    require_resources,
    require_runnable,
    terminal,
    todo,
)

if TYPE_CHECKING:  # what predicts is brought by adaptive sweeps alone
    from sweeps.execution.adaptive.scheduler import Scheduler
    from sweeps.execution.adaptive.until import Until


def calibrate(sweep: Sweep, address: str | None, limits: Limits) -> None:
    """Measure what was not measured before; nothing is written but the user's cache."""
    require_data(sweep.cells)
    with like_ctrl_c(), cluster(address) as ray:
        require_resources(sweep, ray.gpus, ray.cpus)
        _measure(sweep, sweep.planned(sweep.cells, this_machine(ray.gpus, ray.cpus)), ray, limits)


def train(
    sweep: Sweep, address: str | None, limits: Limits, calibrate_first: bool = False, until: Until | None = None
) -> Outcome:
    """Train the cells that have not finished, and say how each ended; of an adaptive sweep as many rungs of them as the
    target takes. Raises UserError before anything is written."""
    require_runnable(sweep)
    if address is None:
        require_here(sweep)
    launch = uuid.uuid4().hex
    scheduler, notes = _scheduler(sweep, until, launch) if until else (None, [])
    left = todo(sweep)
    if not left.cells:
        print_wrapped(left.note, sys.stderr)
        return Outcome(finished_before=left.done, unfinished=dict(left.diverged))
    require_data(left.cells)
    with like_ctrl_c(), cluster(address) as ray:
        require_resources(sweep, ray.gpus, ray.cpus)
        machine = this_machine(ray.gpus, ray.cpus)
        planned = remaining(sweep.planned(left.cells, machine), left.begun)
        require_memory(planned, machine)
        record_launch(sweep)
        console = terminal(stderr=True)
        for line in (left.note, *notes, *sweep.remarks, *remarks(left.cells)):
            print_wrapped(line, sys.stderr)
        if calibrate_first or (machine.gpu_memory_bytes and sweep.settings.resources.gpus == "auto"):
            _measure(sweep, planned, ray, limits)
            planned = remaining(sweep.planned(left.cells, machine), left.begun)
            require_memory(planned, machine)
        planned = [replace(cell, continues=left.continues.get(cell.run_id)) for cell in planned]
        with LiveTable(planned, console, sweep.varying) as table:
            trainer = Launch(sweep.settings, sweep.store, table, ray.folder, limits, launch)
            if scheduler:
                from sweeps.execution.ray.adaptive import AdaptiveLaunch

                outcome = AdaptiveLaunch(trainer, scheduler, planned, ray.gpus, ray.cpus).run()
            else:
                outcome = trainer.run(planned)
    outcome.finished_before = left.done
    outcome.unfinished = dict(left.diverged) | outcome.unfinished
    return outcome


def _scheduler(sweep: Sweep, until: Until, launch: str) -> tuple[Scheduler, list[str]]:
    from sweeps.execution.adaptive.preparation import adaptive_remarks, scheduler_of

    return scheduler_of(sweep, until, launch), adaptive_remarks(sweep)


def _measure(sweep: Sweep, planned: list[Cell], ray: Cluster, limits: Limits) -> None:
    unmeasured = [cell for cell in planned if not cell.measured]
    with LiveTable(unmeasured, terminal(stderr=True), sweep.varying) as table:
        Launch(sweep.settings, sweep.store, table, ray.folder, limits).calibrate(planned)
