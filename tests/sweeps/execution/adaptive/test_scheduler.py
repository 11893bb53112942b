"""Which rungs an adaptive sweep trains, from what its store says alone."""

import numpy as np
import pandas as pd
import pytest

from mmcr_core.config.run import OptimizerSpec
from mmcr_core.objectives import objective_spec
from sweeps.execution.adaptive.until import parse_until
from sweeps.storage.decisions import decision_file, read_stop
from sweeps.storage.packing.compaction import compact
from sweeps.storage.run_status import RunStatus
from tests.sweeps.execution.adaptive.played_sweep import PlayedSweep, errors, grid, spec, what


def small():
    return grid(P=(8, 16, 64), D=(8, 16, 64))


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A sweep that was trained until 5%, its scheduler, and what that decided."""
    sweep = PlayedSweep(tmp_path_factory.mktemp("played") / "sweep", small(), "8%")
    scheduler = sweep.scheduler()
    return sweep, scheduler, sweep.play(scheduler)


def test_it_stops_early_and_what_it_predicts_is_right(played):
    sweep, scheduler, decisions = played
    standing = scheduler.standing()
    assert scheduler.enough() and standing.met
    assert standing.share < 0.5 and standing.rms <= 0.08 and standing.worst <= 0.24
    assert standing.trained + standing.paused == len({one.run_id for one in decisions})
    (family,) = scheduler._families(frozenset())
    known = family.design.knowledge(family.ended(scheduler._history.ended(), "percent_error"))
    ends = np.array([errors(cell)[-20:].mean() for cell in sweep.cells.values()])
    missed = np.abs(np.log(ends) - known.mean)[known.open]
    assert np.sqrt((missed**2).mean()) < 0.08
    assert (missed <= known.half_width[known.open] + 0.03).all()


def test_decisions_are_numbered_and_each_rung_is_taken_once(played):
    decisions = played[2]
    assert [one.number for one in decisions] == list(range(len(decisions)))
    assert len({(one.run_id, one.rung) for one in decisions}) == len(decisions)
    assert all(one.steps == round(one.rung * 400) and one.sd > 0 for one in decisions)


def test_whoever_begins_anew_after_any_rung_decides_the_same(played, tmp_path):
    sweep = PlayedSweep(tmp_path, small(), "8%")
    decisions = []
    while found := sweep.play(sweep.scheduler(f"launch {len(decisions)}"), most=2):
        decisions += found
        compact(sweep.store)
    assert what(decisions) == what(played[2])


def test_a_rung_that_was_begun_and_left_is_gone_on_with_first(played, tmp_path):
    sweep = PlayedSweep(tmp_path, small(), "8%")
    first = sweep.play(sweep.scheduler(), most=5)
    begun = sweep.scheduler().next()
    sweep.begin(begun)  # and killed
    again = sweep.scheduler("another").next()
    assert again == begun
    assert what([*first, *sweep.play(sweep.scheduler("another"))]) == what(played[2])


def test_what_another_launch_trains_is_left_to_it_and_counts_as_known_soon(tmp_path):
    sweep = PlayedSweep(tmp_path, small(), "8%")
    sweep.play(sweep.scheduler(), most=6)
    here, other = sweep.scheduler("here"), sweep.scheduler("other")
    theirs = other.next()
    lease = sweep.store.lease(theirs.run_id, "other")
    assert lease.take() is None
    sweep.begin(theirs)
    ours = here.next()
    assert ours.run_id != theirs.run_id and ours.number == theirs.number + 1
    assert here.waits()
    lease.release()
    assert sweep.scheduler("third").next() == theirs


def test_workers_of_one_launch_get_different_runs(tmp_path):
    scheduler = PlayedSweep(tmp_path, grid()).scheduler()
    given = [scheduler.next() for _ in range(4)]
    assert len({one.run_id for one in given}) == 4
    assert [one.number for one in given] == [0, 1, 2, 3]


def test_finished_runs_count_as_rungs_that_ended_when_they_did(tmp_path):
    sweep = PlayedSweep(tmp_path, small(), "8%")
    keys = list(sweep.cells)
    for key in (keys[3], keys[1], keys[2]):
        sweep.write_steps(key, 400)
        sweep.write_row(key)
    scheduler = sweep.scheduler()
    sweep.play(scheduler, most=2)
    ended = scheduler._history.ended()
    assert [(one.run_id, one.rung) for one in ended[:3]] == [(keys[3], 1.0), (keys[1], 1.0), (keys[2], 1.0)]
    assert scheduler.standing().trained == 3


def test_runs_that_others_finish_and_compact_meanwhile_are_seen(tmp_path):
    sweep = PlayedSweep(tmp_path, small(), "1%")
    here, other = sweep.scheduler("here"), sweep.scheduler("other")
    sweep.play(other)
    compact(sweep.store)
    assert not list((sweep.store.root / "runs").glob("[0-9a-f]*.parquet"))
    assert here.next() is None and here.enough()
    assert here.standing().trained == len(sweep.cells)


def test_diverged_runs_leave_the_target_and_are_counted(tmp_path):
    sweep = PlayedSweep(tmp_path, grid(P=(8, 16), D=(8, 16)))
    lost = next(iter(sweep.cells))
    sweep.write_row(lost, RunStatus.DIVERGED)
    decisions = sweep.play(scheduler := sweep.scheduler())
    assert lost not in {one.run_id for one in decisions}
    assert scheduler.standing().left_out == 1 and scheduler.enough()
    assert lost in {one.run_id for one in sweep.scheduler(retry_diverged=True)._runs}


def test_a_run_that_failed_here_is_not_taken_again_and_not_predicted(tmp_path):
    sweep = PlayedSweep(tmp_path, grid(P=(8, 16), D=(8, 16)))
    scheduler = sweep.scheduler()
    failed = scheduler.next()
    scheduler.returned(failed, RunStatus.FAILED)
    assert failed.run_id not in {one.run_id for one in sweep.play(scheduler)}
    assert scheduler.standing().left_out == 1
    assert scheduler.standing().predicted <= 3


def test_a_sweep_whose_runs_all_failed_has_met_nothing(tmp_path):
    sweep = PlayedSweep(tmp_path, grid(P=(8,), D=(8, 16)))
    scheduler = sweep.scheduler()
    while decision := scheduler.next():
        scheduler.returned(decision, RunStatus.FAILED)
    assert scheduler.enough()  # there is nothing left to be trained
    assert "is not met yet" in scheduler.conclude().summary() and read_stop(sweep.store.root) is None


def test_a_rung_whose_steps_are_gone_is_trained_again(tmp_path):
    sweep = PlayedSweep(tmp_path, grid(P=(8, 16), D=(8, 16)), "1%")
    (first,) = sweep.play(sweep.scheduler(), most=1)
    sweep.store.drop_trajectory(first.run_id)
    decisions = sweep.play(sweep.scheduler())
    assert (first.run_id, first.rung) in {(one.run_id, one.rung) for one in decisions}


def test_runs_with_decaying_rates_have_no_rungs(tmp_path):
    sweep = PlayedSweep(tmp_path, grid(P=(8, 16), D=(8, 16), optimizer=OptimizerSpec(schedule="cosine")))
    assert {one.rung for one in sweep.play(sweep.scheduler())} == {1.0}


def test_what_has_no_rungs_need_not_be_begun_to_be_predicted(tmp_path):
    cells = grid(P=(8, 16, 32, 64), D=(8, 16, 32), optimizer=OptimizerSpec(schedule="cosine"))
    sweep = PlayedSweep(tmp_path, cells, "10%")
    sweep.play(scheduler := sweep.scheduler())
    assert scheduler.enough() and scheduler.standing().trained < len(cells)


def test_no_rung_ends_in_the_warm_up(tmp_path):
    sweep = PlayedSweep(tmp_path, grid(P=(8, 16), D=(8, 16), optimizer=OptimizerSpec(warmup=60)), "1%")
    assert {one.rung for one in sweep.play(sweep.scheduler())} == {0.5, 1.0}


def test_a_target_that_nothing_meets_trains_everything(tmp_path):
    sweep = PlayedSweep(tmp_path, grid(P=(8, 16), D=(8, 16)), "max:0.01%")
    sweep.play(scheduler := sweep.scheduler())
    standing = scheduler.standing()
    assert (standing.trained, standing.share, standing.predicted) == (4, 1.0, 0)
    assert scheduler.enough() and scheduler.next() is None


def test_two_seeds_of_a_setting_are_one_prediction(tmp_path):
    cells = [spec(p, d, seed=seed) for p in (8, 16, 32) for d in (8, 16) for seed in (0, 1)]
    sweep = PlayedSweep(tmp_path, cells)
    decisions = sweep.play(scheduler := sweep.scheduler())
    assert scheduler.standing().predicted <= 6
    assert len({one.run_id for one in decisions}) < 12


def test_other_objectives_are_predicted_apart_on_the_logit_scale(tmp_path):
    cells = [*grid(P=(8, 16), D=(8, 16)), *grid(P=(8, 16), D=(8, 16), objective=objective_spec("simclr"))]
    sweep = PlayedSweep(tmp_path, cells)
    decisions = sweep.play(scheduler := sweep.scheduler())
    scales = {(sweep.cells[one.run_id].objective.name, one.scale) for one in decisions}
    assert scales == {("mmcr", "log"), ("simclr", "logit")}
    assert scheduler.enough()


def test_a_damaged_decision_is_passed_over(tmp_path):
    sweep = PlayedSweep(tmp_path, grid(P=(8, 16), D=(8, 16)))
    (first,) = sweep.play(sweep.scheduler(), most=1)
    decision_file(sweep.store.root, first.run_id, first.rung).write_bytes(b"no")
    assert what([sweep.scheduler().next()])[0][:2] == (first.run_id, first.rung)


def test_that_the_target_was_met_is_kept_until_more_is_decided(tmp_path):
    sweep = PlayedSweep(tmp_path, grid(P=(8, 16), D=(8, 16)), "20%")
    sweep.play(scheduler := sweep.scheduler(), most=3)
    scheduler.conclude()
    assert read_stop(sweep.store.root) is None
    sweep.play(scheduler)
    assert scheduler.conclude().summary() == read_stop(sweep.store.root)
    assert "--until 20% is met" in read_stop(sweep.store.root)
    folder = sweep.store.root / "decisions"
    assert len(pd.read_parquet(folder)) == len(list(folder.glob("*.parquet")))  # as the documentation reads them
    (folder / "_stopped.json").rename(folder / "stopped.json")  # as older stores have it
    assert scheduler.conclude().summary() == read_stop(sweep.store.root)
    sweep.until = parse_until("0.1%")
    sweep.begin(sweep.scheduler().next())
    assert read_stop(sweep.store.root) is None
