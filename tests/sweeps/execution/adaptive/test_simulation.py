"""What an adaptive sweep is expected to train."""

import pytest

from mmcr_core.config.run import OptimizerSpec
from sweeps.execution.adaptive.candidates import candidates
from sweeps.execution.adaptive.finished_elsewhere import finished_elsewhere
from sweeps.execution.adaptive.preparation import expectation
from sweeps.execution.adaptive.simulation import Known, expected
from sweeps.execution.adaptive.until import parse_until
from sweeps.planning.preview import Preview
from sweeps.planning.sweep import open_sweep
from tests.sweeps.execution.adaptive.played_sweep import PlayedSweep, grid


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return PlayedSweep(tmp_path_factory.mktemp("simulated") / "sweep", grid(P=(8, 16, 64), D=(8, 16, 64)), "10%")


def simulated(sweep, draws=1):
    families = sweep.scheduler().families()
    return expected(
        [Known(*each, *finished_elsewhere(sweep.store, each[0], "percent_error")) for each in families], range(draws)
    )


def test_a_part_is_trained_and_the_same_part_each_time(sweep):
    first = simulated(sweep)
    assert 0 < first.share < 1 and first.least == first.share == first.most
    assert first.whole + first.part <= 1 and set(first.shares) == set(sweep.cells)
    assert simulated(sweep) == first


def test_what_is_trained_already_counts(sweep, tmp_path):
    begun = PlayedSweep(tmp_path, sweep.cells.values(), "10%")
    decisions = begun.play(begun.scheduler(), most=8)
    found = simulated(begun)
    shares, flops = found.shares, {run.run_id: run.flops for run in candidates(list(begun.cells.values()))}
    reached = {one.run_id: one.rung for one in decisions}
    trained = sum(flops[key] * rung for key, rung in reached.items()) / sum(flops.values())
    assert found.spent == pytest.approx(trained) and found.spent < found.least
    assert all(shares[one.run_id] >= one.rung for one in decisions)
    finished = PlayedSweep(tmp_path / "all", sweep.cells.values(), "10%")
    for key in finished.cells:
        finished.write_steps(key, 400)
        finished.write_row(key)
    everything = simulated(finished)
    assert (everything.share, everything.spent) == (1, 1)


def test_a_plan_says_so(write_grid, tmp_path):
    sweep = open_sweep(write_grid(P="[8, 16]", D="[8, 16]", budget="{steps: 96}"), str(tmp_path))
    assert 0 < expectation(sweep, parse_until("30%")).share <= 1
    assert not (tmp_path / "tiny").exists()


def test_a_plan_counts_runs_that_another_sweep_has_finished(write_grid, tmp_path):
    grid = write_grid(P="[8, 16]", D="[8, 16]", budget="{steps: 400}", evaluate="{heldout_batches: 2, probe: none}")
    sweep = open_sweep(grid, str(tmp_path))
    before = PlayedSweep(tmp_path / "before", sweep.cells)
    shared = list(before.cells)[2:]
    for key in shared:
        before.write_steps(key, 400)
        before.write_row(key)
    flops = {run.run_id: run.flops for run in candidates(sweep.cells)}
    found = expectation(sweep, parse_until("30%"))
    assert found.spent == pytest.approx(sum(flops[key] for key in shared) / sum(flops.values()))
    assert all(found.shares[key] == 1 for key in shared) and found.others == 0
    preview = Preview.of(sweep, None)
    assert {cell.run_id for cell in preview.left} == set(before.cells) - set(shared)
    assert preview.status(next(cell for cell in preview.cells if cell.run_id in shared)) == "reused from before"
    assert not (tmp_path / "tiny").exists()


def test_sweeps_differ_as_much_as_sweeps_do(sweep):
    found = simulated(sweep, draws=4)
    assert found.least < found.share < found.most and found.others == 0


def test_finished_runs_of_its_kind_are_learned_from(tmp_path):
    before = PlayedSweep(tmp_path / "before", grid(P=(8, 16, 64), D=(8, 16, 64)))
    for key in before.cells:
        before.write_steps(key, 400)
        before.write_row(key)
    other = PlayedSweep(tmp_path / "other", grid(P=(8, 16), D=(8,), optimizer=OptimizerSpec(learning_rate=0.1)))
    for key in other.cells:
        other.write_steps(key, 400)
        other.write_row(key)
    sweep = PlayedSweep(tmp_path / "sweep", grid(P=(8, 16, 64), D=(8, 16, 64), seed=1))
    (family, _), *_ = sweep.scheduler().families()
    points, runs = finished_elsewhere(sweep.store, family, "percent_error")
    assert runs == 9 and set(points.run) == set(range(9, 18)) and set(points.variant) == {0}
    found = simulated(sweep, draws=2)
    assert found.others == 9 and found.most < 0.6
