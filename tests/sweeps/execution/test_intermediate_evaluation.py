"""Measures at fractions of a run: they change nothing in it, no kill loses one, and what came too late is said."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from mmcr_core.config.run import OF_IMAGES, BudgetSpec, EvaluateSpec, OptimizerSpec
from mmcr_core.evaluation.evaluate import requested_measures
from mmcr_core.training import Pretraining
from sweeps.execution.executor_settings import ExecutorSettings
from sweeps.execution.run_executor import RunExecutor
from sweeps.execution.stored_measures import missing_at, missing_measures
from sweeps.planning.plan import CELL_OVERHEAD_SECONDS
from sweeps.planning.preview import Preview
from sweeps.planning.sweep import open_sweep, todo
from sweeps.storage.sweep_store import Store
from tests.sweeps.execution.killed_runs import killed_until_done
from tests.sweeps.execution.test_run_executor import to_end

ON_THE_WAY = EvaluateSpec(2, "none", ("alignment", "effective_rank"), (0, 0.1, 0.5, 1))


def table(store, run_id):
    rows = [row for step in store.measured_steps(run_id) for row in store.read_measures(run_id, step)]
    return pd.DataFrame(rows).sort_values(["step", "name", "subject"], ignore_index=True)


def trained(spec, folder, seconds=60.0, **settings):
    trial = RunExecutor(spec, Store(folder), "s", ExecutorSettings(**settings))
    progress = to_end(trial, seconds)
    assert progress.status == "finished", progress.error
    return trial.run_id, progress


def test_fractions_are_measured_where_they_lie_and_change_nothing(tmp_path, digits_spec, capacity_stand_in):
    fast = tuple(name for name in OF_IMAGES if name != "linear")
    every = EvaluateSpec(2, "knn", fast, (0, 0.5, 1), labels_per_class=5)
    plain, measured = (digits_spec(budget=BudgetSpec(steps=40), **more) for more in ({}, {"evaluate": every}))
    run_id, _ = trained(plain, tmp_path / "plain")
    assert trained(measured, tmp_path / "measured", 1e-9)[0] == run_id
    one, other = Store(tmp_path / "plain"), Store(tmp_path / "measured")
    pd.testing.assert_frame_equal(one.read_trajectory(run_id), other.read_trajectory(run_id), check_exact=True)
    assert other.measured_steps(run_id) == [0, 20, 40]
    for step in (0, 20, 40):
        found = {(row["name"], row["subject"]) for row in other.read_measures(run_id, step)}
        assert found == set(requested_measures(measured, trained=step > 0))
    rows = table(other, run_id)
    assert (rows["images"] == 16 * rows["step"]).all()
    run = Pretraining(measured)
    list(run.run(until=20))
    alone = {(each.name, each.subject): each.value for each in run.evaluate()}
    there = rows[rows["step"] == 20].set_index(["name", "subject"])["value"].to_dict()
    assert there == alone


def test_kills_lose_no_measure_and_change_none(tmp_path, digits_spec):
    spec = digits_spec(
        budget=BudgetSpec(steps=120), evaluate=dataclasses.replace(ON_THE_WAY, at=(0, 0.2, 0.4, 0.6, 0.8, 1))
    )
    run_id, _ = trained(spec, tmp_path / "whole")
    killed_until_done(spec, tmp_path / "killed", np.random.default_rng(0), kills=1, chunk=50)
    whole, killed = Store(tmp_path / "whole"), Store(tmp_path / "killed/store")
    pd.testing.assert_frame_equal(table(killed, run_id), table(whole, run_id), check_exact=True)
    pd.testing.assert_frame_equal(killed.read_trajectory(run_id), whole.read_trajectory(run_id), check_exact=True)


def test_a_measure_lost_between_checkpoint_and_kill_is_made_again(tmp_path, digits_spec):
    spec = digits_spec(budget=BudgetSpec(steps=40), evaluate=ON_THE_WAY)
    run_id, _ = trained(spec, tmp_path / "whole")
    store, trial = Store(tmp_path / "cut"), RunExecutor(spec, Store(tmp_path / "cut"), "s")
    while trial._run is None or trial._run.step < 20:
        trial.advance(1e-9)
    trial.stop()  # a checkpoint of the very step that is to be measured
    assert store.checkpointed_step(run_id) == 20 and missing_at(store, spec, 20)
    assert to_end(RunExecutor(spec, store, "s")).status == "finished"
    pd.testing.assert_frame_equal(table(store, run_id), table(Store(tmp_path / "whole"), run_id), check_exact=True)


def test_a_run_that_starts_anew_forgets_what_was_measured_of_the_last_attempt(tmp_path, digits_spec):
    spec, store = digits_spec(budget=BudgetSpec(steps=40), evaluate=ON_THE_WAY), Store(tmp_path)
    trial = RunExecutor(spec, store, "s")
    done = {"images": 0, "flops": 0.0, "name": "alignment", "subject": "", "value": 9.0, "count": 360}
    store.write_measures(trial.run_id, 4, [done])
    assert to_end(trial).status == "finished"
    assert 9.0 not in table(store, trial.run_id)["value"].tolist()


def test_of_a_finished_run_start_and_end_are_made_good_and_the_middle_is_said_to_be_lost(tmp_path, digits_spec):
    plain, more = digits_spec(), digits_spec(evaluate=ON_THE_WAY)
    run_id, _ = trained(plain, tmp_path / "s")
    store = Store(tmp_path / "s")
    names = ["alignment", "effective_rank", "feature_effective_rank"]
    assert missing_measures(store, more, 12) == {
        0: ["heldout_percent_error", *names],
        1: ["heldout_percent_error", *names],
        6: ["heldout_percent_error", *names],
        12: names,
    }
    trajectory = store.read_trajectory(run_id)
    _, progress = trained(more, tmp_path / "s")
    lost = "lacks heldout_percent_error, alignment, effective_rank, feature_effective_rank at step"
    assert [note.split(":")[0] for note in progress.notes] == [f"{lost} {step}" for step in (1, 6)]
    assert store.measured_steps(run_id) == [0, 12]
    pd.testing.assert_frame_equal(store.read_trajectory(run_id), trajectory, check_exact=True)
    trained(more, tmp_path / "fresh")
    fresh = table(Store(tmp_path / "fresh"), run_id)
    kept = fresh[fresh["step"].isin([0, 12])].reset_index(drop=True)
    pd.testing.assert_frame_equal(table(store, run_id), kept, check_exact=True)


def test_a_launch_says_what_only_training_could_measure(tmp_path, digits_spec, write_grid):
    evaluate = "{heldout_batches: 2, probe: none, measures: [alignment], at: [0, 0.5, 1]}"
    first = open_sweep(write_grid(), str(tmp_path / "r"))
    trained(first.cells[0], tmp_path / "r/tiny", keep="none")
    sweep = open_sweep(write_grid(evaluate=evaluate), str(tmp_path / "r"))
    left = todo(sweep)
    assert left.cells == sweep.cells  # the untrained network can still be measured
    preview = Preview.of(sweep, None)
    (planned,) = preview.left
    assert preview.measured_again == {planned.run_id} and preview.status(planned) == "to measure"
    assert planned.seconds == pytest.approx(CELL_OVERHEAD_SECONDS + preview.cells[0].measuring_seconds / 3)
    assert "1 of them finished before, to be measured again" in left.note
    assert "finished runs without weights lack alignment" in left.note
    assert "finished runs lack in their middle, which only training can measure, alignment, heldout" in left.note
    trained(sweep.cells[0], tmp_path / "r/tiny")
    assert todo(sweep).cells == ()
    assert Preview.of(sweep, None).makespan_seconds == 0


def test_without_the_end_among_the_fractions_nothing_is_measured_there(tmp_path, digits_spec):
    spec = digits_spec(evaluate=EvaluateSpec(2, "knn", (), (0,)))
    run_id, _ = trained(spec, tmp_path)
    assert Store(tmp_path).measured_steps(run_id) == [0]
    row = Store(tmp_path).read_run(run_id)
    assert row["probe_accuracy"] is None and row["heldout_percent_error"] is None


def test_a_longer_run_takes_over_what_the_shorter_one_measured(tmp_path, digits_spec):
    in_steps = OptimizerSpec(warmup=5)
    short = digits_spec(optimizer=in_steps, budget=BudgetSpec(steps=20), evaluate=ON_THE_WAY)
    long = dataclasses.replace(short, budget=BudgetSpec(steps=40))
    earlier, _ = trained(short, tmp_path, keep="all")
    run_id, _ = trained(long, tmp_path, continues=earlier)
    assert Store(tmp_path).measured_steps(run_id) == [0, 2, 10, 20, 40]
    whole, _ = trained(long, tmp_path / "whole")
    there = table(Store(tmp_path / "whole"), whole)
    here = table(Store(tmp_path), run_id)
    same = [0, 20, 40]  # 4 was asked for in the middle of what is not trained again
    pick = [frame[frame["step"].isin(same)].reset_index(drop=True) for frame in (here, there)]
    pd.testing.assert_frame_equal(*pick, check_exact=True)
    assert missing_measures(Store(tmp_path), long, 40).keys() == {4}


def test_the_probes_column_is_the_accuracy_of_the_probe_with_all_labels(tmp_path, digits_spec):
    spec = digits_spec(evaluate=EvaluateSpec(0, "knn", ("linear",), labels_per_class=1))
    run_id, _ = trained(spec, tmp_path)
    rows = {(row["name"], row["subject"]): row["value"] for row in Store(tmp_path).read_measures(run_id, 12)}
    assert Store(tmp_path).read_run(run_id)["probe_accuracy"] == rows["knn_accuracy", ""]
    assert (
        len(
            {rows[name, subject] for name in ("knn_accuracy", "linear_accuracy") for subject in ("", "1 label a class")}
        )
        > 2
    )


@pytest.mark.parametrize("at", [(0.3,), (0.0, 1.0)])
def test_steps_of_fractions(at):
    assert EvaluateSpec(at=at).steps(10) == [round(10 * part) for part in at]
    assert EvaluateSpec(at=(1, 0.01, 0)).steps(20) == [0, 20]


def test_a_run_that_is_about_to_diverge_is_measured_and_diverges(tmp_path, digits_spec, capacity_stand_in):
    every = EvaluateSpec(2, "knn", OF_IMAGES, (0, 0.1, 1), labels_per_class=5)
    wild = OptimizerSpec(learning_rate=1e30, warmup=0)
    trial = RunExecutor(digits_spec(optimizer=wild, evaluate=every, budget=BudgetSpec(steps=10)), Store(tmp_path), "s")
    progress = to_end(trial)
    assert progress.status == "diverged", progress.error
    store = Store(tmp_path)
    assert store.measured_steps(trial.run_id) == [0, 1]
    after_a_step = {row["name"]: row["value"] for row in store.read_measures(trial.run_id, 1)}
    assert [after_a_step[name] for name in ("knn_accuracy", "linear_gain", "alignment", "capacity")] == [None] * 4
