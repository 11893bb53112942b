"""What is asked for of a finished run and missing is measured from its kept weights, without training."""

import pandas as pd
import pytest

from mmcr_core.config.run import EvaluateSpec
from mmcr_core.config.run_id import spec_to_json
from mmcr_core.data.image_set import DatasetError
from sweeps.api import load_grid
from sweeps.execution.executor_settings import ExecutorSettings
from sweeps.execution.run_executor import RunExecutor
from sweeps.execution.stored_measures import missing_measures
from sweeps.storage.cross_sweep_reuse import import_finished_runs
from sweeps.storage.sweep_store import Store
from tests.sweeps.execution.test_run_executor import to_end


def finish(spec, store, **settings):
    trial = RunExecutor(spec, store, "s", ExecutorSettings(**settings))
    progress = to_end(trial)
    assert progress.status == "finished", progress.error
    return trial.run_id, progress


def measures(store, run_id, step):
    return {row["name"]: row for row in store.read_measures(run_id, step)}


def test_what_was_measured_is_in_the_measures_table_with_intervals(tmp_path, digits_spec):
    store = Store(tmp_path)
    run_id, _ = finish(digits_spec(evaluate=EvaluateSpec(4, "knn")), store)
    rows, row = measures(store, run_id, 12), store.read_run(run_id)
    assert set(rows) == {"heldout_percent_error", "knn_accuracy"}
    heldout = rows["heldout_percent_error"]
    assert heldout["value"] == row["heldout_percent_error"]
    assert heldout["low"] < heldout["value"] < heldout["high"]
    assert (heldout["count"], heldout["images"], heldout["flops"]) == (4, row["images"], row["flops"])
    assert rows["knn_accuracy"]["value"] == row["probe_accuracy"]


def test_a_measure_asked_for_later_is_made_good_from_the_weights_without_training(tmp_path, digits_spec):
    store = Store(tmp_path)
    run_id, _ = finish(digits_spec(evaluate=EvaluateSpec(4, "none")), store)
    before, trajectory = store.read_run(run_id), store.read_trajectory(run_id)
    more = digits_spec(evaluate=EvaluateSpec(6, "knn"))
    assert missing_measures(store, more, 12) == {12: ["heldout_percent_error", "knn_accuracy"]}
    again, _ = finish(more, store)
    assert again == run_id
    assert missing_measures(store, more, 12) == {}
    after = store.read_run(run_id)
    assert after["probe_accuracy"] == measures(store, run_id, 12)["knn_accuracy"]["value"]
    assert after["spec"] == spec_to_json(more)  # what `probe_accuracy` is the accuracy of
    unchanged = set(before) - {"probe_accuracy", "heldout_percent_error", "heldout_percent_error_std", "spec"}
    assert {name: after[name] for name in unchanged} == {name: before[name] for name in unchanged}
    pd.testing.assert_frame_equal(store.read_trajectory(run_id), trajectory, check_exact=True)
    fresh = Store(tmp_path / "fresh")
    finish(more, fresh)
    assert measures(fresh, run_id, 12) == measures(store, run_id, 12)  # as if it had been asked for at once


WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
ZERO_SHOT = {"dataset": "digits", "classes": "words", "templates": "texts"}
PAIRS = {"name": "s", "dataset": "glyphs", "P": 16, "D": 8, "K": 2, "budget": {"steps": 3}}


@pytest.fixture
def zero_shot_cell(tmp_path, monkeypatch):
    """Makes a cell whose zero-shot measures read these classes and templates; keywords go to `evaluate`."""
    monkeypatch.chdir(tmp_path)

    def cell(words=WORDS, texts=("digit {}",), **evaluate):
        (tmp_path / "words").write_text("\n".join(words))
        (tmp_path / "texts").write_text("\n".join(texts))
        asked = {"heldout_batches": 0, "probe": "knn", "measures": ["zero_shot"], "zero_shot": ZERO_SHOT}
        return load_grid({**PAIRS, "evaluate": asked | evaluate}).cells[0]

    return cell


CHANGED = {
    "the order of the classes": ({"words": WORDS[::-1]}, ["zero_shot_top1 of digits", "zero_shot_top5 of digits"]),
    "the templates": ({"texts": ("a {}", "the {}")}, ["zero_shot_top1 of digits", "zero_shot_top5 of digits"]),
    "the images looked at": (
        {"zero_shot": {"dataset": "glyphs"}},
        ["zero_shot_top1 of glyphs", "zero_shot_top5 of glyphs"],
    ),
    "the bank of the probe": ({"probe_images": 300}, ["knn_accuracy"]),
}


@pytest.mark.parametrize("what", CHANGED)
def test_what_was_measured_of_something_else_is_measured_again_also_where_it_was_reused(tmp_path, zero_shot_cell, what):
    (changed, names), store = CHANGED[what], Store(tmp_path / "r/one")
    run_id, _ = finish(spec := zero_shot_cell(), store)
    assert missing_measures(store, zero_shot_cell(), 3) == {}
    reused = Store(tmp_path / "r/other")
    assert import_finished_runs(reused, [run_id]) == {run_id: "one"}
    other = zero_shot_cell(**changed)
    for each in (store, reused):
        assert missing_measures(each, other, 3) == {3: names}
        finish(other, each)
        assert missing_measures(each, other, 3) == {}
    fresh = Store(tmp_path / "fresh")
    finish(other, fresh)
    of_other = {name.split(" of ")[0] for name in names}
    before, after = measures(fresh, run_id, 3), measures(store, run_id, 3)
    assert {name: after[name] for name in of_other} == {name: before[name] for name in of_other}
    assert (
        missing_measures(store, spec, 3)[3] if what != "the images looked at" else not missing_measures(store, spec, 3)
    )


def test_rows_without_a_digest_hold_where_they_depend_on_the_run_alone(tmp_path, zero_shot_cell):
    store = Store(tmp_path / "s")
    run_id, _ = finish(zero_shot_cell(heldout_batches=4), store)
    rows = [{**row, "digest": None} for row in store.read_measures(run_id, 3)]
    store.write_measures(run_id, 3, [{k: v for k, v in row.items() if k not in ("run_id", "step")} for row in rows])
    unknown = ["zero_shot_top1 of digits", "zero_shot_top5 of digits"]
    assert missing_measures(store, zero_shot_cell(heldout_batches=3), 3) == {3: unknown}
    more = zero_shot_cell(heldout_batches=5, probe_images=300)
    assert missing_measures(store, more, 3) == {3: ["heldout_percent_error", "knn_accuracy", *unknown]}


def test_classes_that_change_during_a_launch_are_refused(tmp_path, zero_shot_cell):
    spec = zero_shot_cell()
    (tmp_path / "words").write_text("\n".join(WORDS[::-1]))
    progress = to_end(RunExecutor(spec, Store(tmp_path / "s"), "s"))
    assert progress.status == "failed"
    assert "evaluate.zero_shot: what" in progress.error and "is not what the launch read" in progress.error


def test_a_finished_run_stays_finished_where_it_cannot_be_measured_again(tmp_path, digits_spec, monkeypatch):
    store = Store(tmp_path)
    run_id, _ = finish(digits_spec(evaluate=EvaluateSpec(4, "none")), store)
    before = store.read_run(run_id)

    def fails(*_, **__):
        raise DatasetError("the data has changed")

    monkeypatch.setattr("sweeps.execution.backfill.Pretraining", fails)
    progress = RunExecutor(digits_spec(evaluate=EvaluateSpec(4, "knn")), store, "s").advance(60)
    assert progress.status == "failed"
    assert progress.error == "finished, but cannot be measured again: DatasetError: the data has changed"
    assert store.read_run(run_id) == before
    assert not store.lease(run_id, "other").held()


def test_where_no_weights_were_kept_what_is_missing_is_said(tmp_path, digits_spec):
    store = Store(tmp_path)
    finish(digits_spec(), store, keep="none")
    _, progress = finish(digits_spec(evaluate=EvaluateSpec(2, "linear")), store)
    assert progress.notes == ("lacks linear_accuracy, and its weights were not kept",)


def test_damaged_weights_are_told_where_a_measure_needs_them(tmp_path, digits_spec):
    store = Store(tmp_path)
    run_id, _ = finish(digits_spec(), store)
    (tmp_path / "weights" / f"{run_id}.safetensors").write_bytes(b"half")
    progress = RunExecutor(digits_spec(evaluate=EvaluateSpec(2, "knn")), store, "s").advance(60)
    assert progress.status == "failed"
    assert "lacks knn_accuracy, and its weights are damaged; see: python sweeps/store.py check" in progress.error
    assert store.status(run_id) == "finished"
