"""What an adaptive sweep is expected to train."""

import pytest

from sweeps.execution.adaptive.preparation import expectation
from sweeps.execution.adaptive.simulation import expected
from sweeps.execution.adaptive.until import parse_until
from sweeps.planning.sweep import open_sweep
from tests.sweeps.execution.adaptive.played_sweep import PlayedSweep, grid


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return PlayedSweep(tmp_path_factory.mktemp("simulated"), grid(P=(8, 16, 64), D=(8, 16, 64)), "10%")


def test_a_part_is_trained_and_the_same_part_each_time(sweep):
    first = expected(sweep.scheduler().families(), draws=1)
    assert 0 < first.share < 1 and first.least == first.share == first.most
    assert first.whole + first.part <= 1 and set(first.shares) == set(sweep.cells)
    assert expected(sweep.scheduler().families(), draws=1) == first


def test_what_is_trained_already_counts(sweep, tmp_path):
    begun = PlayedSweep(tmp_path, sweep.cells.values(), "10%")
    decisions = begun.play(begun.scheduler(), most=8)
    shares = expected(begun.scheduler().families(), draws=1).shares
    assert all(shares[one.run_id] >= one.rung for one in decisions)
    finished = PlayedSweep(tmp_path / "all", sweep.cells.values(), "10%")
    for key in finished.cells:
        finished.write_steps(key, 400)
        finished.write_row(key)
    assert expected(finished.scheduler().families(), draws=1).share == 1


def test_a_plan_says_so(write_grid, tmp_path):
    sweep = open_sweep(write_grid(P="[8, 16]", D="[8, 16]", budget="{steps: 96}"), str(tmp_path))
    assert 0 < expectation(sweep, parse_until("30%")).share <= 1
    assert not (tmp_path / "tiny").exists()
