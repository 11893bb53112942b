"""One run with its store and without Ray: outcome, failure, and exact resume through real kills."""

import dataclasses
import json
import socket

import numpy as np
import pandas as pd
import pytest

from mmcr_core.config.defaults import VIEW_RECIPES
from mmcr_core.config.run import BudgetSpec, DatasetSpec, EncoderSpec, EvaluateSpec, OptimizerSpec, ZeroShotSpec
from mmcr_core.objectives import OBJECTIVES, objective_spec
from sweeps.execution.executor_settings import ExecutorSettings
from sweeps.execution.run_executor import RunExecutor
from sweeps.execution.saved_weights import read_kept
from sweeps.storage.sweep_store import Store
from tests.mmcr_core.data.shards.shard_data import write_set
from tests.sweeps.execution.killed_runs import killed_until_done


def to_end(trial, seconds=0.05):
    while (progress := trial.advance(seconds)).status == "running":
        assert progress.step <= progress.steps
    return progress


def test_a_finished_run_has_its_outcome_cost_and_provenance(tmp_path, digits_spec):
    spec = digits_spec(budget=BudgetSpec(steps=40), evaluate=EvaluateSpec(3, "knn"))
    trial = RunExecutor(spec, Store(tmp_path), "sweep")
    assert to_end(trial).status == "finished"
    row, trajectory = Store(tmp_path).read_run(trial.run_id), Store(tmp_path).read_trajectory(trial.run_id)
    assert row["status"] == "finished" and row["error"] is None
    assert row["steps"] == len(trajectory) == 40
    assert row["images"] == 40 * 16
    assert row["flops"] == 40 * row["flops_per_step"] == trajectory["flops"].iloc[-1]
    assert row["percent_error"] == pytest.approx(trajectory["percent_error"].tail(2).mean())
    assert 0 < row["heldout_percent_error"] < 1
    assert row["probe_accuracy"] > 0.5
    assert row["wall_seconds"] > 0 and row["images_per_second"] > 0 and row["peak_memory_bytes"] > 0
    assert row["finished_at"] >= row["started_at"]
    versions = json.loads(row["versions"])
    assert {"torch", "python", "threads", "device"} <= set(versions)
    stored = json.loads(row["spec"])
    assert (stored["P"], stored["optimizer"]["warmup"]) == (16, 0.02)
    assert not (tmp_path / "checkpoints").exists() or not list((tmp_path / "checkpoints").iterdir())


@pytest.mark.parametrize(
    ("keep", "holds"),
    [
        ("none", None),
        ("weights", {"run_id", "spec", "step", "network"}),
        ("all", {"run_id", "spec", "step", "network", "begun", "run"}),
    ],
)
def test_of_a_finished_run_stays_what_was_asked_for(tmp_path, digits_spec, keep, holds):
    store = Store(tmp_path)
    trial = RunExecutor(digits_spec(), store, "s", ExecutorSettings(keep=keep))
    to_end(trial)
    kept = read_kept(store, trial.run_id)
    assert (set(kept) if kept else None) == holds
    assert not kept or kept["step"] == 12
    assert list(store.read_checkpoints(trial.run_id)) == []


def test_slices_of_any_length_give_the_same_trajectory(tmp_path, digits_spec):
    spec = digits_spec(budget=BudgetSpec(steps=60))
    trajectories = []
    for i, seconds in enumerate((0.0, 0.01, 60.0)):
        store = Store(tmp_path / str(i))
        to_end(RunExecutor(spec, store, "s"), seconds or 1e-9)
        trajectories.append(store.read_trajectory(store.statuses().popitem()[0]))
    pd.testing.assert_frame_equal(trajectories[0], trajectories[1], check_exact=True)
    pd.testing.assert_frame_equal(trajectories[0], trajectories[2], check_exact=True)


def test_a_run_that_raises_is_failed_with_its_reason(tmp_path, digits_spec):
    spec = digits_spec(dataset=DatasetSpec("stl10", root=str(tmp_path / "none")), views=stl10_views())
    trial = RunExecutor(spec, Store(tmp_path), "s")
    progress = trial.advance(1)
    assert progress.status == "failed"
    row = Store(tmp_path).read_run(trial.run_id)
    assert row["status"] == "failed"
    assert row["error"].startswith(f"DatasetError on node {socket.gethostname()}: dataset 'stl10' is not in")


def small_views():
    from mmcr_core.config.augmentation import ViewSpec

    return ViewSpec(size=8, crop_scale=(0.5, 1.0), mean=(0.5,) * 3, std=(0.3,) * 3)


def stl10_views():
    from mmcr_core.config.defaults import VIEW_RECIPES

    return VIEW_RECIPES["stl10"]


def test_a_run_that_diverges_says_where_and_starts_anew_when_retried(tmp_path, digits_spec):
    spec = digits_spec(optimizer=OptimizerSpec(learning_rate=1e30), budget=BudgetSpec(steps=30))
    store = Store(tmp_path)
    for _ in range(2):
        assert to_end(RunExecutor(spec, store, "s")).status == "diverged"
        (run_id,) = store.statuses()
        row, trajectory = store.read_run(run_id), store.read_trajectory(run_id)
        assert "not finite from step" in row["error"]
        assert row["steps"] == len(trajectory) < 30
        assert row["percent_error"] is None
        assert np.isfinite(trajectory["percent_error"]).all()


def test_skipped_images_are_recorded(tmp_path, digits_spec):
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    encoded = []
    for i in range(40):
        stream = io.BytesIO()
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(stream, "PNG")
        encoded.append(stream.getvalue())
    pq.write_table(pa.table({"image": [*encoded, b"broken"]}), tmp_path / "a.parquet")
    spec = digits_spec(dataset=DatasetSpec("parquet", path=str(tmp_path / "a.parquet")), views=small_views())
    trial = RunExecutor(spec, Store(tmp_path / "s"), "s")
    progress = to_end(trial)
    assert progress.status == "finished", progress.error
    assert progress.notes[0].startswith("parquet: skipped 1 unreadable images: row 40")
    assert "row 40" in json.loads(Store(tmp_path / "s").read_run(trial.run_id)["versions"])["skipped"]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_resumed_run_keeps_the_threads_it_began_with(tmp_path, digits_spec, threads):
    import torch

    store, spec = Store(tmp_path), digits_spec(budget=BudgetSpec(steps=50))
    begun = RunExecutor(spec, store, "s", ExecutorSettings(threads=threads))
    begun.advance(1e-9)
    begun.stop()
    to_end(RunExecutor(spec, store, "s", ExecutorSettings(threads=3 - threads)))
    assert torch.get_num_threads() == threads
    assert json.loads(store.read_run(begun.run_id)["versions"])["threads"] == threads


def test_a_foreign_or_damaged_checkpoint_is_not_used(tmp_path, digits_spec):
    spec, store = digits_spec(budget=BudgetSpec(steps=30)), Store(tmp_path)
    whole = RunExecutor(spec, Store(tmp_path / "whole"), "s")
    to_end(whole)
    other = RunExecutor(digits_spec(seed=7, budget=BudgetSpec(steps=30)), store, "s")
    other.advance(1e-9)
    other.stop()
    folder = tmp_path / "checkpoints"
    (folder / other.run_id).rename(folder / whole.run_id)
    store.write_checkpoint(whole.run_id, 20, b"")
    (folder / whole.run_id / "00000020.ckpt").write_bytes(b"half of it")
    progress = to_end(RunExecutor(spec, store, "s"))
    assert [note.split(" of run")[0] for note in progress.notes] == [
        "checkpoint 00000020.ckpt",
        "checkpoint 00000001.ckpt",
    ]
    assert "damaged" in progress.notes[0] and "another run's" in progress.notes[1]
    pd.testing.assert_frame_equal(
        store.read_trajectory(whole.run_id), Store(tmp_path / "whole").read_trajectory(whole.run_id), check_exact=True
    )


@pytest.mark.usefixtures("chunks_of_50")
def test_a_checkpoint_whose_earlier_steps_are_missing_is_not_used(tmp_path, digits_spec):
    spec, store = digits_spec(budget=BudgetSpec(steps=70)), Store(tmp_path)
    trial = RunExecutor(spec, store, "s")
    while trial._run is None or trial._run.step < 52:
        trial.advance(1e-9)
    trial.stop()
    next((tmp_path / "trajectories" / trial.run_id).iterdir()).unlink()
    progress = to_end(RunExecutor(spec, store, "s"), 60)
    assert progress.status == "finished", progress.error
    assert "goes on after steps that are missing" in progress.notes[0]
    assert len(store.read_trajectory(trial.run_id)) == 70


def test_what_was_trained_stays_where_measuring_fails_at_the_end(tmp_path, pairs_spec):
    classes = tmp_path / "classes"
    classes.write_text("zero\none\n")
    looked = ZeroShotSpec(DatasetSpec("digits"), str(classes))
    spec = pairs_spec(evaluate=EvaluateSpec(0, "none", ("zero_shot",), zero_shot=looked))
    first = RunExecutor(spec, Store(tmp_path / "s"), "s")
    progress = to_end(first)
    assert progress.status == "failed" and "names 2 classes" in progress.error
    assert Store(tmp_path / "s").checkpointed_step(first.run_id) == 12
    classes.write_text("\n".join(map(str, range(10))))
    again = RunExecutor(spec, Store(tmp_path / "s"), "s")
    again.advance(1e-9)
    assert again.store.read_run(first.run_id)["status"] == "finished"
    assert len(again.store.read_trajectory(first.run_id)) == 12


def check_kills(tmp_path, digits_spec, seed, kills, steps, chunk=500, **changes):
    spec = digits_spec(P=32, budget=BudgetSpec(steps=steps), **changes)
    whole = RunExecutor(spec, Store(tmp_path / "whole"), "s")
    to_end(whole)
    store = killed_until_done(spec, tmp_path / "killed", np.random.default_rng(seed), kills, chunk)
    pd.testing.assert_frame_equal(
        store.read_trajectory(whole.run_id), Store(tmp_path / "whole").read_trajectory(whole.run_id), check_exact=True
    )
    same = ("percent_error", "heldout_percent_error", "steps", "flops")
    ours, theirs = store.read_run(whole.run_id), Store(tmp_path / "whole").read_run(whole.run_id)
    assert {name: ours[name] for name in same} == {name: theirs[name] for name in same}


def test_a_run_killed_twice_leaves_the_same_trajectory_bit_for_bit(tmp_path, digits_spec):
    check_kills(tmp_path, digits_spec, seed=0, kills=2, steps=200, chunk=50)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_a_run_killed_at_many_moments_leaves_the_same_trajectory(tmp_path, digits_spec, seed):
    check_kills(tmp_path, digits_spec, seed=seed, kills=6, steps=1600)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in OBJECTIVES if not objective_spec(name).needs_captions])
def test_a_killed_run_of_every_objective_leaves_the_same_trajectory(tmp_path, digits_spec, name):
    options = {"byol": {"predictor_hidden": 64}, "swav": {"prototypes": 16, "queue": 96, "queue_start": 0.2}}
    objective = objective_spec(name, **options.get(name, {}))
    check_kills(tmp_path, digits_spec, seed=0, kills=3, steps=400, objective=objective)


@pytest.mark.slow
@pytest.mark.parametrize("sampling", ["epochs", "replacement"])
def test_a_run_on_shards_killed_fifteen_times_leaves_the_same_trajectory(tmp_path, pairs_spec, sampling):
    folder = write_set(tmp_path / "shards", [100, 57, 80])
    dataset = DatasetSpec("shards", path=str(folder), sampling=sampling)
    views = dataclasses.replace(VIEW_RECIPES["clip"], size=8, crop_scale=(0.5, 1.0))
    measures = EvaluateSpec(2, "none", ("retrieval", "modality_gap"))
    more = {"dataset": dataset, "views": views, "evaluate": measures, "objective": objective_spec("clip")}
    check_kills(tmp_path, pairs_spec, seed=0, kills=15, steps=900, **more)


def test_a_run_that_recomputes_has_the_same_rows_and_says_so(tmp_path, digits_spec):
    spec = digits_spec(encoder=EncoderSpec("resnet18", "small", width=8))
    rows, steps = [], []
    for recomputed in (False, True):
        store = Store(tmp_path / str(recomputed))
        trial = RunExecutor(spec, store, "s", ExecutorSettings(recomputed=recomputed))
        assert to_end(trial, 5).status == "finished"
        rows.append(store.read_run(trial.run_id))
        steps.append(store.read_trajectory(trial.run_id))
    pd.testing.assert_frame_equal(*steps, check_exact=True)
    assert (
        rows[0]["run_id"] == rows[1]["run_id"] and rows[0]["heldout_percent_error"] == rows[1]["heldout_percent_error"]
    )
    assert ["recomputed" in json.loads(row["versions"]) for row in rows] == [False, True]
