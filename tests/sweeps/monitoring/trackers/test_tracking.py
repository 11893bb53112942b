"""What trackers are given, and what becomes of one that fails."""

import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec

import pytest

from mmcr_core import custom_imports
from mmcr_core.config.run import BudgetSpec
from sweeps.cli.errors import UserError
from sweeps.config.grid_file import load_grid
from sweeps.execution.executor_settings import ExecutorSettings
from sweeps.execution.run_executor import RunExecutor
from sweeps.monitoring.trackers.choice import require_trackers
from sweeps.planning.sweep import open_sweep
from sweeps.storage.sweep_store import Store
from tests.conftest import run_script
from tests.sweeps.execution.test_run_executor import to_end

SOURCE = """
class Good:
    given = []

    def start(self, run):
        self.given.append(("start", run.name, run.logged))

    def log(self, chunk):
        self.given.append(("log", chunk.step_first, chunk.step_last, len(chunk.columns["loss"])))

    def finish(self, row):
        self.given.append(("finish", row and row["status"]))

class Failing(Good):
    def start(self, run):
        self.run_id = run.run_id

    def log(self, chunk):
        raise SystemExit(f"{self.run_id}: server is down\\nDetails: {id(self)}")

class Wordy(Good):
    def start(self, run):
        return "begun"

class Needy(Good):
    def __init__(self, url):
        pass

class Short:
    def start(self, run): ...
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The module of trackers in a folder that is looked through."""
    name = f"trackers_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(SOURCE)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.setattr(custom_imports, "_FOLDERS", [])
    yield name
    sys.modules.pop(name, None)
    custom_imports._DIGESTS.pop(name, None)


def test_each_stored_chunk_is_given_and_the_row_at_the_end(own, tmp_path, digits_spec):
    trial = RunExecutor(
        digits_spec(budget=BudgetSpec(steps=510)), Store(tmp_path / "s"), "s", ExecutorSettings(track=(f"{own}:Good",))
    )
    while trial.advance(0.05).step < 20:
        pass
    trial.stop()
    to_end(RunExecutor(trial.spec, trial.store, "s", trial.settings), 2)
    start = ("start", f"P=16 D=8 K=2 seed=0 {trial.run_id[:6]}", 0)
    logged = [("log", 0, 499, 500), ("log", 500, 509, 10)]
    assert sys.modules[own].Good.given == [start, ("finish", None), start, *logged, ("finish", "finished")]


def test_a_tracker_whose_start_returns_no_number_is_one_that_fails(own, tmp_path, digits_spec):
    how = ExecutorSettings(track=(f"{own}:Wordy", f"{own}:Good"))
    progress = to_end(RunExecutor(digits_spec(), Store(tmp_path / "s"), "s", how))
    assert progress.status == "finished" and len(progress.notes) == 1
    assert f"tracker {own}:Wordy fails (TypeError: 'str' object cannot be interpreted" in progress.notes[0]
    assert "log" in [given[0] for given in sys.modules[own].Good.given]


def test_a_tracker_that_fails_is_a_warning_of_each_run_in_the_same_words_and_loses_no_cell(own, tmp_path, digits_spec):
    store, how, notes = Store(tmp_path / "s"), ExecutorSettings(track=(f"{own}:Failing", f"{own}:Good")), []
    for seed in (0, 1):
        progress = to_end(RunExecutor(digits_spec(seed=seed), store, "s", how))
        assert progress.status == "finished"
        notes += progress.notes
    assert notes == 2 * [f"tracker {own}:Failing fails (SystemExit: RUN_ID: server is down); runs go on without it"]
    assert [given[0] for given in sys.modules[own].Good.given].count("log") == 2


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("wanbd", "track: 'wanbd' is no tracker; did you mean wandb? (my_module:MyTracker for your own)"),
        ("{own}:Needy", "track: '{own}:Needy' cannot be made without arguments (TypeError: "),
        ("{own}:Short", "track: '{own}:Short' has no log, no finish; a tracker has start, log, finish"),
        ("{own}:Other", "track: '{own}:Other': "),
        ("nowhere:Tracker", "track: 'nowhere:Tracker': there is no module 'nowhere'; put nowhere.py into "),
    ],
)
def test_a_wrong_tracker_is_one_sentence_before_anything_is_written(own, tmp_path, write_grid, name, sentence):
    with pytest.raises(UserError) as raised:
        open_sweep(write_grid(), str(tmp_path / "r"), track=(name.format(own=own),))
    assert str(raised.value).startswith(sentence.format(own=own))
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("package", "tracker", "install"),
    [("wandb", "wandb", "'mmcr-sweeps[wandb]'"), ("sqlalchemy", "mlflow", "'mmcr-sweeps[mlflow]'")],
)
def test_a_missing_package_is_named_with_what_to_install(monkeypatch, tmp_path, package, tracker, install):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "sweeps.monitoring.trackers.choice.find_spec", lambda name: None if name == package else find("sys")
    )
    with pytest.raises(UserError) as raised:
        require_trackers([tracker], tmp_path)
    assert str(raised.value) == f"track: {tracker} needs the package {package}; install it: pip install {install}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")  # a server's, which needs no database here
    require_trackers(["tensorboard", "mlflow"], tmp_path)


def test_a_missing_login_is_said_before_anything_is_written(tmp_path, write_grid, monkeypatch):
    pytest.importorskip("wandb")
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    options = [write_grid(track="[wandb]"), "--results", tmp_path / "r"]
    refused = run_script("sweeps/launch.py", *options, "--cell", 0)
    assert (refused.returncode, refused.stdout) == (2, "") and not (tmp_path / "r").exists()
    assert "track: wandb has no login here; run: wandb login, or set WANDB_MODE=offline" in refused.stderr
    monkeypatch.setenv("WANDB_API_KEY", 40 * "a")  # which no server is asked about
    checked = "from sweeps.monitoring.trackers.choice import require_login; require_login(['wandb'])"
    assert run_script("-c", checked).returncode == 0


def test_the_folder_where_wandb_keeps_its_files_is_no_package(monkeypatch, tmp_path):
    monkeypatch.setattr("sweeps.monitoring.trackers.choice.find_spec", lambda name: ModuleSpec(name, None))
    with pytest.raises(UserError, match="track: wandb needs the package wandb; install it"):
        require_trackers(["wandb"], tmp_path)


def test_mlflow_needs_a_server_where_results_have_no_folder(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(UserError, match="mlflow has no folder to write to at a URL; set MLFLOW_TRACKING_URI"):
        require_trackers(["mlflow"], Store("memory://r").root)


def test_trackers_of_a_grid_are_checked_at_their_line_and_make_no_other_run(own, tmp_path, write_grid):
    plain = load_grid(write_grid())
    tracked = load_grid(write_grid(track=f"[tensorboard, {own}:Good]"))
    assert tracked.cells == plain.cells and tracked.settings.track == ("tensorboard", f"{own}:Good")
    both = open_sweep(tracked, str(tmp_path / "r"), track=("tensorboard", f"{own}:Failing")).settings.track
    assert both == ("tensorboard", f"{own}:Good", f"{own}:Failing")
    with pytest.raises(UserError, match=r"grid.yaml:9: track: \[tensorbord\] 'tensorbord' is no tracker; did you mean"):
        load_grid(write_grid(track="[tensorbord]"))
