"""Runs that are trained up to a rung, paused, and gone on with later as if they had not been."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from mmcr_core.config.run import BudgetSpec, EvaluateSpec
from mmcr_core.config.run_id import run_id
from mmcr_core.training import pretraining
from sweeps.execution import checkpointing
from sweeps.execution.run_executor import RunExecutor
from sweeps.monitoring.sweep_status import survey
from sweeps.planning.sweep import open_sweep, record_launch
from sweeps.storage.decisions import StoredDecision, decision_file, read_decision
from sweeps.storage.fsck import examine
from sweeps.storage.sweep_store import Store
from tests.sweeps.execution.test_run_executor import to_end

STEPS = 32
CHUNK = 20  # steps: a rung of 1/4 ends within the first chunk, that of 7/8 within the second


def decided(spec, rung, quantity="percent_error", steps=STEPS):
    now = datetime.now(UTC)
    return StoredDecision(
        run_id(spec), rung, round(rung * steps), 0, quantity, "log", "l", "c", now, 1.0, -1.0, 0.1, 0.3
    )


@pytest.fixture(autouse=True)
def _short_chunks(monkeypatch):
    monkeypatch.setattr(pretraining, "CHUNK_STEPS", CHUNK)
    monkeypatch.setattr(checkpointing, "CHUNK_STEPS", CHUNK)


@pytest.fixture
def spec(digits_spec):
    return digits_spec(budget=BudgetSpec(steps=STEPS), P=8, D=4)


def train_rung(store, spec, rung, **options):
    return to_end(RunExecutor(spec, store, "s", decision=decided(spec, rung, **options)))


def whole(store, spec):
    trial = RunExecutor(spec, store, "s")
    assert to_end(trial).status == "finished"
    row = store.read_run(trial.run_id)
    return store.read_trajectory(trial.run_id), row["percent_error"], store.read_weights(trial.run_id)


def test_a_paused_run_has_no_row_and_goes_on_bit_for_bit(tmp_path, spec):
    store, key = Store(tmp_path / "rungs"), run_id(spec)
    for rung, steps in ((0.25, 8), (0.875, 28)):
        progress = train_rung(store, spec, rung)
        assert (progress.status, progress.step) == ("paused", steps)
        assert store.status(key) is None and store.steps_stored(key) == steps
        assert [name for name, _ in store.read_checkpoints(key)] == [f"{steps:08d}.ckpt"]
        assert not store.lease(key, "").held()
        assert list(examine(store, repair=False)) == []
        decision = read_decision(store.root, key, rung)
        tail = store.read_trajectory(key)["percent_error"].tail(max(1, round(0.05 * steps)))
        assert decision.measured == pytest.approx(tail.mean()) and decision.ended_at > decision.decided_at
    trajectory, error, weights = whole(store, spec)
    straight, its_error, its_weights = whole(Store(tmp_path / "straight"), spec)
    pd.testing.assert_frame_equal(trajectory, straight, check_exact=True)
    assert (error, weights) == (its_error, its_weights)
    assert len(list((store.root / "trajectories" / key).iterdir())) == 1
    assert list(examine(store, repair=False)) == []


def test_the_last_rung_ends_with_the_run(tmp_path, spec):
    store = Store(tmp_path)
    train_rung(store, spec, 0.25)
    assert train_rung(store, spec, 1.0).status == "finished"
    decision = read_decision(store.root, run_id(spec), 1.0)
    assert decision.measured == pytest.approx(store.read_run(run_id(spec))["percent_error"])


def test_a_rung_that_has_ended_is_not_trained_again_nor_its_decision_changed(tmp_path, spec):
    store = Store(tmp_path)
    train_rung(store, spec, 0.25)
    file = decision_file(store.root, run_id(spec), 0.25)
    before = file.read_bytes()
    assert train_rung(store, spec, 0.25).status == "paused"
    assert file.read_bytes() == before


def test_a_rung_that_was_interrupted_keeps_its_first_decision(tmp_path, spec):
    store = Store(tmp_path)
    trial = RunExecutor(spec, store, "s", decision=decided(spec, 0.25))
    trial.advance(1e-9)
    trial.stop()
    begun = read_decision(store.root, run_id(spec), 0.25)
    assert begun.ended_at is None
    train_rung(store, spec, 0.25)
    ended = read_decision(store.root, run_id(spec), 0.25)
    assert ended.decided_at == begun.decided_at and ended.ended_at is not None


def test_a_paused_run_without_its_checkpoint_says_so_and_is_trained_anew(tmp_path, spec):
    store = Store(tmp_path)
    train_rung(store, spec, 0.25)
    store.drop_checkpoints(run_id(spec))
    progress = train_rung(store, spec, 0.875)
    assert progress.status == "paused"
    assert "its checkpoint is gone: 8 steps are trained anew" in progress.notes


def test_a_rung_ends_with_the_measure_that_decides(tmp_path, spec, digits_spec):
    measured = digits_spec(budget=BudgetSpec(steps=STEPS), P=8, D=4, evaluate=EvaluateSpec(2, "knn"))
    store = Store(tmp_path)
    train_rung(store, measured, 0.25, quantity="knn_accuracy")
    (row,) = [row for row in store.read_measures(run_id(measured), 8) if row["name"] == "knn_accuracy"]
    assert read_decision(store.root, run_id(measured), 0.25).measured == row["value"]


def test_status_shows_paused_cells_and_those_whose_checkpoint_is_gone(tmp_path, write_grid):
    sweep = open_sweep(write_grid(D="[4, 8, 16]", budget="{steps: 32}"), str(tmp_path))
    record_launch(sweep)
    for cell in sweep.cells[:2]:
        train_rung(sweep.store, cell, 0.25)
    sweep.store.drop_checkpoints(run_id(sweep.cells[1]))
    cells = survey(sweep.store.root)
    assert [(cell.status, cell.step) for cell in cells] == [("paused", 8), ("paused", 8), ("waiting", 0)]
    assert [bool(cell.error) for cell in cells] == [False, True, False]


def test_a_damaged_decision_is_found_and_quarantined(tmp_path, spec):
    store = Store(tmp_path)
    train_rung(store, spec, 0.25)
    file = decision_file(store.root, run_id(spec), 0.25)
    file.write_bytes(b"no parquet")
    assert [finding.file for finding in examine(store, repair=True)] == [file]
    assert not file.exists() and list(examine(store, repair=False)) == []
