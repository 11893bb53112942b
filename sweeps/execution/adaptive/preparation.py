"""An adaptive launch of a sweep before it begins."""

from __future__ import annotations

from sweeps.cli.progress import track
from sweeps.execution.adaptive.candidates import candidates
from sweeps.execution.adaptive.finished_elsewhere import finished_elsewhere
from sweeps.execution.adaptive.scheduler import Scheduler
from sweeps.execution.adaptive.simulation import DRAWS, FEW, Expectation, Known, expected
from sweeps.execution.adaptive.until import Until, require_measured
from sweeps.planning.sweep import Sweep
from sweeps.storage.cross_sweep_reuse import finished_beside

LEAST_DRAWS = 3


def scheduler_of(sweep: Sweep, until: Until, launch: str) -> Scheduler:
    """Of a sweep's cells, by what its store has. Raises UserError for a target that no sweep of these cells has."""
    require_measured(until, sweep.cells)
    whole = len(sweep.cells) == len(sweep.grid_cells)
    return Scheduler(sweep.store, candidates(sweep.cells), until, launch, sweep.retry_diverged, whole=whole)


def adaptive_remarks(sweep: Sweep) -> list[str]:
    """What a person should know of an adaptive sweep of these cells."""
    decaying = sum(cell.optimizer.schedule != "constant" for cell in sweep.cells)
    if not decaying:
        return []
    rest = "they have no rungs, and are trained to their end or not at all"
    return [f"note: the learning rate of {decaying} of {len(sweep.cells)} cells decays: {rest}"]


def expectation(sweep: Sweep, until: Until) -> Expectation:
    """What an adaptive launch of a sweep is expected to train, of what its store has not; a terminal shows how far the
    simulation is. Raises UserError as `scheduler_of`."""
    require_measured(until, sweep.cells)
    runs = candidates(sweep.cells)
    reused = finished_beside(sweep.store, {run.run_id for run in runs})
    families = Scheduler(sweep.store, runs, until, "", sweep.retry_diverged, reused).families()
    known = [Known(*each, *finished_elsewhere(sweep.store, each[0], until.quantity)) for each in families]
    draws = DRAWS if sum(len(family.runs) for family, _ in families) <= FEW else LEAST_DRAWS
    return expected(known, track(range(draws), "simulating the sweep"))
