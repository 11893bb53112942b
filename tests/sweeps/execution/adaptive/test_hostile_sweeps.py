"""Sweeps as no law has them: what can't be predicted is trained, and nothing breaks."""

from dataclasses import replace

import numpy as np
import pytest

from mmcr_core.objectives import objective_spec
from tests.sweeps.execution.adaptive.played_sweep import STEPS, PlayedSweep, errors, grid


def constant(value):
    return lambda cell: np.full(STEPS, value)


def hump(cell):
    """Rises before it falls."""
    share = np.arange(STEPS) / STEPS
    return errors(cell) * (1 + 0.5 * np.exp(-(((share - 0.4) / 0.12) ** 2)))


def noise(cell):
    rng = np.random.default_rng([cell.P, cell.D])
    return np.clip(errors(cell) * np.exp(rng.standard_normal(STEPS)), 0, 1)


def seeds_apart(cell):
    """One setting's second seed is 30% worse."""
    return errors(cell) * (1.3 if (cell.P, cell.D, cell.seed) == (16, 16, 1) else 1)


def played(folder, cells, until="8%", **options):
    sweep = PlayedSweep(folder, cells, until, **options)
    scheduler = sweep.scheduler()
    return sweep, scheduler, sweep.play(scheduler)


@pytest.mark.parametrize("objective", ["mmcr", "simclr"])
def test_errors_of_0_have_no_logarithm_and_are_trained(tmp_path, objective):
    cells = grid(P=(8, 16), D=(8, 16), objective=objective_spec(objective))
    _, scheduler, _ = played(tmp_path, cells, errors=constant(0.0))
    assert scheduler.enough() and scheduler.standing().trained == len(cells)


@pytest.mark.parametrize("objective", ["mmcr", "simclr"])
def test_errors_that_never_change_stop_early(tmp_path, objective):
    cells = grid(P=(8, 16, 64), D=(8, 16, 64), objective=objective_spec(objective))
    _, scheduler, _ = played(tmp_path, cells, errors=constant(0.9))
    assert scheduler.enough() and scheduler.standing().share < 0.5


@pytest.mark.parametrize("curve", [hump, noise])
def test_curves_that_say_nothing_of_their_ends_are_trained(tmp_path, curve):
    _, scheduler, _ = played(tmp_path, grid(P=(8, 16, 64), D=(8, 16)), errors=curve)
    assert scheduler.standing().share > 0.8


def test_two_seeds_that_disagree_are_no_failure(tmp_path):
    cells = [replace(cell, seed=seed) for cell in grid(P=(8, 16), D=(8, 16, 32)) for seed in (0, 1)]
    sweep, scheduler, _ = played(tmp_path, cells, errors=seeds_apart)
    standing = scheduler.standing()
    assert scheduler.enough() and standing.trained + standing.paused < len(sweep.cells)


@pytest.mark.parametrize("sizes", [(8,), (8, 16)])
def test_a_grid_of_one_or_two_cells_is_trained_whole(tmp_path, sizes):
    _, scheduler, decisions = played(tmp_path, grid(P=(8,), D=sizes), "5%")
    assert scheduler.standing().share == 1 and scheduler.enough()
    assert len(decisions) <= 4 * len(sizes)
