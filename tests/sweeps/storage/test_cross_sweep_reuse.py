"""Finished runs of other sweeps under the same results are reused."""

import pandas as pd

from mmcr_core.config.run import EvaluateSpec
from sweeps.execution.run_executor import RunExecutor
from sweeps.storage.cross_sweep_reuse import import_finished_runs, sweeps_beside
from sweeps.storage.fsck import examine
from sweeps.storage.sweep_store import Store
from tests.conftest import invoke
from tests.sweeps.execution.test_run_executor import to_end


def test_a_finished_run_is_copied_with_all_that_belongs_to_it(tmp_path, digits_spec):
    first, second = Store(tmp_path / "first"), Store(tmp_path / "second")
    trial = RunExecutor(digits_spec(evaluate=EvaluateSpec(2, "knn")), first, "first")
    to_end(trial)
    key = trial.run_id
    assert import_finished_runs(second, [key, "0" * 16]) == {key: "first"}
    assert second.read_run(key) == {**first.read_run(key), "sweep": "second"}
    pd.testing.assert_frame_equal(second.read_trajectory(key), first.read_trajectory(key), check_exact=True)
    assert second.read_measures(key, 12) == first.read_measures(key, 12)
    assert second.read_weights(key) == first.read_weights(key)
    assert list(examine(second, repair=False)) == []
    assert import_finished_runs(second, [key]) == {}


def test_a_store_that_is_being_merged_is_no_sweep_beside(tmp_path):
    for name in ("here", "there", ".both.0123abcd.partial"):
        (tmp_path / name).mkdir()
    assert [store.root.name for store in sweeps_beside(Store(tmp_path / "here"))] == ["there"]


def test_runs_that_have_not_finished_or_are_not_whole_are_not_taken(tmp_path, digits_spec):
    first, second = Store(tmp_path / "first"), Store(tmp_path / "second")
    trial = RunExecutor(digits_spec(), first, "first")
    to_end(trial)
    row = first.read_run(trial.run_id)
    first.write_run({**row, "status": "failed"})
    assert import_finished_runs(second, [trial.run_id]) == {}
    first.write_run({**row, "schema_version": 99})
    assert import_finished_runs(second, [trial.run_id]) == {}
    first.write_run({**row, "steps": 13})
    assert import_finished_runs(second, [trial.run_id]) == {}


def test_a_launch_says_what_it_has_taken_over(write_grid, tmp_path):
    small = write_grid(name="small")
    assert invoke("sweeps.launch", small, "--results", tmp_path / "r", "--cell", "0").returncode == 0
    large = write_grid(name="large", D="[8, 16]")
    ran = invoke("sweeps.launch", large, "--results", tmp_path / "r", "--cell", "0")
    assert ran.returncode == 0, ran.stderr
    assert "1 cell: 1 finished already, 0 to run; 1 reused from small" in ran.stderr
    assert list(Store(tmp_path / "r/large").statuses().values()) == ["finished"]
