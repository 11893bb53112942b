"""TensorBoard, W&B (offline) and MLflow (SQLite) have each step of a run once, however often its process was killed."""

import contextlib
import functools
import importlib.util
import signal
import sqlite3

import pytest

from mmcr_core.config.run import BudgetSpec
from sweeps.execution.executor_settings import ExecutorSettings
from sweeps.execution.run_executor import RunExecutor
from sweeps.monitoring.trackers.mlflow_runs import MlflowTracker
from sweeps.monitoring.trackers.tracker import TrackedRun
from sweeps.storage.sweep_store import Store
from tests.conftest import invoke, run_script
from tests.sweeps.execution.test_run_executor import to_end
from tests.sweeps.monitoring.trackers.readers import of_mlflow, of_tensorboard, of_wandb

INSTALLED = [name for name in ("wandb", "mlflow", "sqlalchemy") if importlib.util.find_spec(name)]
pytestmark = pytest.mark.skipif(len(INSTALLED) < 3, reason="needs the extras wandb and mlflow")

KILLER = """
import os, pathlib, signal

class Killer:
    def start(self, run):
        self.folder = pathlib.Path(run.root)

    def log(self, chunk):
        with (self.folder / "own.txt").open("a") as file:
            file.write(f"{chunk.step_first} {chunk.step_last}\\n")
        if chunk.step_first == 500 and not (self.folder / "killed").exists():
            (self.folder / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def finish(self, row):
        with (self.folder / "own.txt").open("a") as file:
            file.write(f"{row['status']}\\n")
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A run of 1100 steps by --cell that was killed once its second chunk was stored, before a checkpoint followed it,
    and went on: the store, the run_id, what the first process ended with."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "killer.py").write_text(KILLER)
    grid = folder / "grid.yaml"
    grid.write_text(
        "{name: tiny, dataset: digits, projector: {hidden: [32]}, P: 16, D: 8, K: 2, budget: {steps: 1100},\n"
        "evaluate: {heldout_batches: 2, probe: none}, checkpoint: {every_seconds: 0.5}, track: [wandb, mlflow]}\n"
    )
    options = [grid, "--cell", 0, "--results", folder / "r", "--track", "tensorboard", "--track", "killer:Killer"]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("WANDB_MODE", "offline")
        environment.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        both = [run_script("sweeps/launch.py", *options), invoke("sweeps.launch", *options)]
    for ran in both:
        assert "fails" not in ran.stderr and "Traceback" not in ran.stderr, ran.stderr
    codes = [ran.returncode for ran in both]
    store = Store(folder / "r/tiny")
    (run_id,) = store.statuses()
    return store, run_id, codes


@pytest.mark.slow  # interrupted runs: test_a_tracker_run_catches_up..., test_tracking.py
def test_the_killed_run_finished_and_its_own_tracker_was_given_each_step_once(killed):
    store, run_id, codes = killed
    assert codes == [-signal.SIGKILL, 0]
    given = (store.root / "own.txt").read_text().splitlines()
    assert given == ["0 499", "500 999", "500 999", "1000 1099", "finished"]  # it died before it had the second
    assert not (store.root / "checkpoints" / run_id).exists()


@pytest.mark.slow  # interrupted runs: test_a_tracker_run_catches_up..., test_tracking.py
def test_tensorboard_shows_each_step_once(killed):
    store, run_id, _ = killed
    steps, errors = of_tensorboard(store.root, run_id)
    assert steps == list(range(1100))
    assert errors == pytest.approx(list(store.read_trajectory(run_id)["percent_error"]), abs=0)


@pytest.mark.slow  # interrupted runs: test_a_tracker_run_catches_up..., test_tracking.py
def test_mlflow_has_one_run_with_each_step_once(killed):
    store, run_id, _ = killed
    steps, errors, run = of_mlflow(store.root, "tiny", run_id)
    row = store.read_run(run_id)
    assert steps == list(range(1100))
    assert errors == list(store.read_trajectory(run_id)["percent_error"])
    assert run.info.status == "FINISHED"
    assert run.data.params["optimizer.learning_rate"] == "0.001" and run.data.params["P"] == "16"
    assert run.data.metrics["final/percent_error"] == row["percent_error"]


@pytest.mark.slow  # interrupted runs: test_a_tracker_run_catches_up..., test_tracking.py
def test_wandb_has_one_run_with_each_step_once(killed):
    store, run_id, _ = killed
    steps, errors, messages = of_wandb(store.root, run_id)
    assert steps == list(range(1100))
    assert errors == list(store.read_trajectory(run_id)["percent_error"])
    begun = [message.run for message in messages if message.WhichOneof("record_type") == "run"]
    assert {(run.run_id, run.project, run.run_group) for run in begun} == {(run_id, "tiny", "tiny")}
    assert [message.exit.exit_code for message in messages if message.WhichOneof("record_type") == "exit"] == [0]


def test_a_tracker_run_catches_up_with_the_store_is_preempted_and_goes_on(digits_spec, tmp_path, monkeypatch):
    """And another cell of the same process is another run."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    store, how = Store(tmp_path), ExecutorSettings(track=("wandb",))
    untracked = RunExecutor(digits_spec(budget=BudgetSpec(steps=600)), store, "s")
    while untracked.advance(0.2).step < 500:
        pass
    untracked.stop()
    stopped = RunExecutor(untracked.spec, store, "s", how)
    stopped.advance(1e-9)
    stopped.stop()
    other = RunExecutor(digits_spec(seed=1), store, "s", how)
    for trial in (RunExecutor(untracked.spec, store, "s", how), other):
        assert to_end(trial).notes == ()
    steps, _, messages = of_wandb(store.root, untracked.run_id)
    kinds = [message.WhichOneof("record_type") for message in messages]
    assert steps == list(range(600))
    assert (kinds.count("preempting"), kinds.count("exit")) == (1, 2)
    assert of_wandb(store.root, other.run_id)[0] == list(range(12))


@pytest.fixture
def tracked(digits_spec, tmp_path, monkeypatch):
    """A run that MLflow follows in its own file, and that file, which another process left with one table."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    file = tmp_path / "mlflow.db"
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE assessments (id INTEGER)")
    return TrackedRun("0" * 16, "s", digits_spec(), 12, tmp_path, 0), file


def test_tables_of_mlflow_that_a_kill_left_half_made_are_made_anew(tracked):
    run, _ = tracked
    assert MlflowTracker().start(run) == 0
    assert of_mlflow(run.root, "s", run.run_id)[2].info.status == "RUNNING"


def test_runs_in_tables_that_mlflow_cannot_read_are_kept_and_the_remedy_is_said(tracked):
    run, file = tracked
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE runs AS SELECT 1 AS id")
    with pytest.raises(
        RuntimeError, match=r"mlflow.db has 1 run in tables .*; run: mlflow db upgrade sqlite:///.*; or move"
    ):
        MlflowTracker().start(run)
    with contextlib.closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT id FROM runs").fetchall() == [(1,)]


def test_tables_that_another_program_locks_are_no_damage(tracked, monkeypatch):
    run, file = tracked
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr(sqlite3, "connect", functools.partial(sqlite3.connect, timeout=0))
        with pytest.raises(RuntimeError, match=r"mlflow.db is locked by another program, such as .*; close it"):
            MlflowTracker().start(run)


def test_a_file_that_is_no_database_is_named_with_the_remedy(tracked):
    run, file = tracked
    file.write_bytes(b"not a database" * 100)
    with pytest.raises(
        RuntimeError, match=r"mlflow.db cannot be read .*; move it away to begin a new one, or set MLFLOW_"
    ):
        MlflowTracker().start(run)
