"""A longer run continues from the kept state of a shorter one, and is the run that it would have been."""

import json

import numpy as np
import pandas as pd
import pytest

from mmcr_core.config.run import BudgetSpec, OptimizerSpec
from mmcr_core.objectives import objective_spec
from sweeps.execution.continuation import runs_to_continue
from sweeps.execution.encoder_loading import load_encoder
from sweeps.storage.sweep_store import Store
from tests.conftest import invoke
from tests.sweeps.execution.test_backfill import finish

IN_STEPS = OptimizerSpec(warmup=5)


@pytest.mark.usefixtures("chunks_of_50")
@pytest.mark.parametrize("steps", [12, 50, 73])
def test_a_longer_run_goes_on_from_a_shorter_one_and_is_the_run_bit_for_bit(tmp_path, digits_spec, steps):
    store = Store(tmp_path / "s")
    short = digits_spec(optimizer=IN_STEPS, budget=BudgetSpec(steps=steps))
    long = digits_spec(optimizer=IN_STEPS, budget=BudgetSpec(steps=110))
    earlier, _ = finish(short, store, keep="all")
    continues = runs_to_continue(store, [long])
    assert list(continues.values()) == [earlier]
    run_id, progress = finish(long, store, continues=earlier)
    assert f"continues a shorter run from step {steps}" in progress.notes
    row = store.read_run(run_id)
    assert json.loads(row["versions"])["notes"] == [f"continues run {earlier} from step {steps}"]
    whole = Store(tmp_path / "whole")
    finish(long, whole)
    pd.testing.assert_frame_equal(store.read_trajectory(run_id), whole.read_trajectory(run_id), check_exact=True)
    assert row["heldout_percent_error"] == whole.read_run(run_id)["heldout_percent_error"]


@pytest.mark.parametrize(
    ("optimizer", "objective", "keep"),
    [
        (OptimizerSpec(warmup=0.02), "mmcr", "all"),
        (OptimizerSpec(warmup=5, schedule="cosine"), "mmcr", "all"),
        (IN_STEPS, "swav", "all"),
        (IN_STEPS, "mmcr", "weights"),
    ],
    ids=["warm-up is a share", "the rate decays", "the objective follows the share", "only weights were kept"],
)
def test_runs_that_begin_otherwise_are_trained_whole(tmp_path, digits_spec, optimizer, objective, keep):
    store, parts = Store(tmp_path), {"optimizer": optimizer, "objective": objective_spec(objective)}
    earlier, _ = finish(digits_spec(**parts, budget=BudgetSpec(steps=12)), store, keep=keep)
    long = digits_spec(**parts, budget=BudgetSpec(steps=30))
    if keep == "all":
        assert runs_to_continue(store, [long]) == {}
    else:
        _, progress = finish(long, store, continues=earlier)
        assert progress.notes == (f"starts anew: what was kept of {earlier} cannot be read",)


def test_the_longest_of_the_shorter_runs_is_gone_on_from(tmp_path, digits_spec):
    store = Store(tmp_path)
    ids = [
        finish(digits_spec(optimizer=IN_STEPS, budget=BudgetSpec(steps=steps)), store, keep="all")[0]
        for steps in (12, 24, 60)
    ]
    other = digits_spec(optimizer=IN_STEPS, budget=BudgetSpec(steps=40), seed=1)
    forty = digits_spec(optimizer=IN_STEPS, budget=BudgetSpec(steps=40))
    assert list(runs_to_continue(store, [forty, other]).values()) == [ids[1]]


def test_a_launch_measures_what_is_missing_and_goes_on_from_shorter_runs(write_grid, tmp_path, ray_address):
    lines = {"optimizer": "{warmup: 4}", "checkpoint": "{keep: all}"}
    first = write_grid(**lines)
    assert invoke("sweeps.launch", first, "--results", tmp_path / "r", "--cell", "0").returncode == 0
    second = write_grid(**lines, budget="{steps: [12, 40]}", evaluate="{heldout_batches: 2, probe: knn}")
    ran = invoke("sweeps.launch", second, "--results", tmp_path / "r", "--address", ray_address)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.splitlines()[0] == (
        "2 cells: 0 finished already, 2 to run; 1 of them finished before, to be measured again; "
        "1 of them to be continued from a shorter run"
    )
    third = invoke("sweeps.launch", second, "--results", tmp_path / "r", "--address", ray_address)
    assert "2 finished already, 0 to run" in third.stderr
    store = Store(tmp_path / "r/tiny")
    assert sorted(row["steps"] for row in store.rows()) == [12, 40]
    for row in store.rows():
        assert row["probe_accuracy"] is not None
        network = load_encoder(store.root, row["run_id"])
        assert network.step == row["steps"]
        assert np.isfinite(network.spec.optimizer.learning_rate)
