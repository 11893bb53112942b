"""What a sweep survives: two drivers, full and read-only disks, retries, limits, nodes with other code."""

import hashlib
import json
import os
import re
import subprocess
import sys
import time

import pandas as pd
import pytest

from mmcr_core.config.run import BudgetSpec, OptimizerSpec
from sweeps.config.grid_file import load_grid
from sweeps.config.settings import GridSettings, ResourceSettings
from sweeps.execution.executor_settings import ExecutorSettings
from sweeps.execution.ray.ray_tune import Launch
from sweeps.execution.ray.trainable import code_version, other_code
from sweeps.execution.run_executor import RunExecutor
from sweeps.monitoring.launch_outcome import Ending, Outcome, StopReason
from sweeps.monitoring.sweep_status import survey
from sweeps.planning.launch_limits import Limits
from sweeps.planning.machine import Machine
from sweeps.planning.plan import plan
from sweeps.planning.sweep import open_sweep, record_launch
from sweeps.storage.sweep_store import Store
from tests.conftest import REPOSITORY, invoke
from tests.custom_components import write_failing
from tests.sweeps.execution.test_run_executor import to_end


def trajectories(store):
    return pd.concat([store.read_trajectory(run_id) for run_id in sorted(store.statuses())], ignore_index=True)


@pytest.mark.slow
def test_two_drivers_on_one_store_train_each_cell_once_and_both_end_well(write_grid, tmp_path):
    grid = write_grid(D="[8, 16, 32]", budget="{steps: 500}")
    command = [sys.executable, "sweeps/launch.py", str(grid), "--results", str(tmp_path / "r"), "--json"]
    both = [
        subprocess.Popen(command, cwd=REPOSITORY, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    outcomes = [json.loads(process.communicate(timeout=300)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    store = Store(tmp_path / "r/tiny")
    assert list(store.statuses().values()) == ["finished"] * 3
    assert all(outcome["unfinished"] == {} for outcome in outcomes)
    assert list((tmp_path / "r/tiny/leases").iterdir()) == []
    for cell in load_grid(grid).cells:
        to_end(RunExecutor(cell, Store(tmp_path / "alone"), "tiny"), 60)
    pd.testing.assert_frame_equal(trajectories(store), trajectories(Store(tmp_path / "alone")), check_exact=True)


def test_a_cell_that_another_launch_trains_is_left_and_one_it_finished_is_finished(tmp_path, digits_spec):
    store = Store(tmp_path)
    first, second = (RunExecutor(digits_spec(), store, "s", launch=name) for name in "ab")
    first.advance(1e-9)
    progress = second.advance(60)
    assert progress.status == "left" and f"process {os.getpid()}" in progress.error
    assert to_end(first).status == "finished"
    before = store.read_run(first.run_id)
    assert RunExecutor(digits_spec(), store, "s", launch="c").advance(60).status == "finished"
    assert store.read_run(first.run_id) == before


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of 64 KiB with a function that mounts it again with other options."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("mounting needs root")
    yield disk, lambda options: subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.usefixtures("chunks_of_50")
def test_a_full_disk_stops_the_run_with_its_reason_and_space_lets_it_go_on(small_disk, tmp_path, digits_spec):
    disk, remount = small_disk
    spec = digits_spec(budget=BudgetSpec(steps=400))
    to_end(RunExecutor(spec, Store(tmp_path / "whole"), "s"))
    store = Store(disk / "s")
    trial = RunExecutor(spec, store, "s", ExecutorSettings(checkpoint_seconds=0.05))
    progress = to_end(trial)
    assert progress.status == "failed"
    assert "No space left on device" in progress.error
    assert not list(disk.rglob(".*"))  # no half-written file is left behind
    assert set(store.statuses().values()) <= {"failed"}
    store.read_trajectory(trial.run_id)
    remount("size=50m")
    assert to_end(RunExecutor(spec, store, "s")).status == "finished"
    pd.testing.assert_frame_equal(
        store.read_trajectory(trial.run_id), Store(tmp_path / "whole").read_trajectory(trial.run_id), check_exact=True
    )


@pytest.mark.usefixtures("chunks_of_50")
def test_a_read_only_disk_is_named_by_trial_and_launch(small_disk, digits_spec, write_grid):
    disk, remount = small_disk
    trial = RunExecutor(digits_spec(budget=BudgetSpec(steps=60)), Store(disk / "s"), "s")
    remount("size=50m")
    trial.advance(1e-9)
    remount("ro")
    progress = to_end(trial)
    assert progress.status == "failed" and "Read-only file system" in progress.error
    ran = invoke("sweeps.launch", write_grid(), "--results", disk / "r")
    assert ran.returncode == 2
    assert f"{disk} is not a folder that can be written to" in ran.stderr
    remount("rw")


def scripted(monkeypatch, cells, outcomes):
    """A launch whose rounds end as scripted; and the cells that each round was given."""
    launch = Launch(GridSettings(name="s", retries=1), Store("unused"), None, None, Limits(wait=False))
    rounds, limits = [], []

    def run_once(self, given, alone):
        rounds.append(given)
        limits.append(alone)
        return outcomes[len(rounds) - 1]

    monkeypatch.setattr(Launch, "_run_once", run_once)
    outcome = launch.run(cells)
    return outcome, rounds, limits


def test_a_cell_out_of_memory_is_retried_alone(monkeypatch, digits_spec):
    machine = Machine(1, 8, 80 << 30, 1e14)
    (cell,) = plan((digits_spec(),), ResourceSettings(gpus=0.25), machine)
    failed = Outcome(unfinished={cell.run_id: Ending(StopReason.OUT_OF_MEMORY, "no")})
    outcome, rounds, alone = scripted(monkeypatch, [cell], [failed, Outcome(finished=[cell.run_id])])
    assert [given[0].gpus for given in rounds] == [0.25, 1.0]
    assert alone == [False, True]
    assert outcome.finished == [cell.run_id] and outcome.unfinished == {}


def test_a_failed_cell_is_retried_as_often_as_asked_for(monkeypatch, digits_spec):
    (cell,) = plan((digits_spec(),), ResourceSettings(), Machine(0, 2, 0, 1e11))
    failed = [Outcome(unfinished={cell.run_id: Ending(StopReason.ERROR, str(n))}) for n in range(3)]
    outcome, rounds, alone = scripted(monkeypatch, [cell], failed)
    assert alone == [False, False]
    assert len(rounds) == 2 and str(outcome.unfinished[cell.run_id]) == "failed: 1"


def test_a_cell_left_to_another_launch_is_not_retried(monkeypatch, digits_spec):
    (cell,) = plan((digits_spec(),), ResourceSettings(), Machine(0, 2, 0, 1e11))
    left = Outcome(unfinished={cell.run_id: Ending(StopReason.ELSEWHERE, "left to")})
    outcome, rounds, _ = scripted(monkeypatch, [cell], [left])
    assert len(rounds) == 1 and outcome.unfinished


def test_the_time_limit_checkpoints_running_cells_and_status_shows_them(write_grid, tmp_path, ray_address):
    grid = write_grid(D="[8, 16, 32]", budget="{steps: 1000000}")
    for limit in (10, 60, 300):  # seconds; a busy machine may need more to begin at all
        ran = invoke("sweeps.launch", grid, "--results", tmp_path / "r", "--time-limit", f"{limit}s",
                     "--track", "tensorboard", "--address", ray_address)  # fmt: skip
        assert ran.returncode == 1, ran.stderr
        assert "0 of 3 cells finished, stopped at the time limit with 3 to go (launch again to go on)" in ran.stdout
        cells = survey(tmp_path / "r/tiny")
        assert {cell.status for cell in cells} <= {"begun", "waiting"}
        if begun := [cell for cell in cells if cell.status == "begun"]:
            break
    assert begun
    assert all(0 < cell.step < cell.steps for cell in begun)
    shown = invoke("sweeps.status", tmp_path / "r/tiny")
    assert f"3 cells: {len(begun)} begun" in shown.stdout
    rows = json.loads(invoke("sweeps.status", tmp_path / "r/tiny", "--json").stdout)
    assert [row["status"] for row in rows].count("begun") == len(begun)
    assert len({file.parent.name for file in (tmp_path / "r/tiny/tensorboard").glob("*/events*")}) >= len(begun)


def test_status_tells_running_finished_and_failed_cells(write_grid, tmp_path, digits_spec):
    grid = write_grid(D="[8, 16]", optimizer="{learning_rate: [1.0e-3, 1.0e+30]}")
    store = Store(tmp_path / "tiny")
    record_launch(open_sweep(grid, str(tmp_path)))
    cells = {(cell.D, cell.optimizer.learning_rate): cell for cell in load_grid(grid).cells}
    to_end(RunExecutor(cells[8, 1e-3], store, "tiny"))
    to_end(RunExecutor(cells[8, 1e30], store, "tiny"))
    running = RunExecutor(cells[16, 1e-3], store, "tiny")
    running.advance(1e-9)
    found = {(c.keys["D"], c.keys["optimizer.learning_rate"]): c.status for c in survey(tmp_path / "tiny")}
    running.stop()
    assert found == {(8, 1e-3): "finished", (8, 1e30): "diverged", (16, 1e-3): "running", (16, 1e30): "waiting"}
    grid.unlink()  # neither the grid file nor the folder it was launched from is needed
    shown = subprocess.run(
        [sys.executable, REPOSITORY / "sweeps/status.py", "tiny"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert "learning_rate" in shown.stdout and "1e+30" in shown.stdout
    assert "logs/" in shown.stdout.replace("\n", "")
    assert invoke("sweeps.status", tmp_path / "none").returncode == 2


def test_a_failure_leaves_its_traceback_to_read(tmp_path, digits_spec, monkeypatch):
    def fails(run):
        raise ValueError("as it was told")

    monkeypatch.setattr("mmcr_core.training.pretraining.Pretraining.train_step", fails)
    store = Store(tmp_path)
    trial = RunExecutor(digits_spec(), store, "s")
    assert to_end(trial).status == "failed"
    log = store.log_file(trial.run_id).read_text()
    assert log.startswith("Traceback") and "in fails" in log and "ValueError: as it was told" in log


def test_watching_into_a_pipe_prints_a_line_a_refresh(tmp_path, digits_spec, write_grid):
    grid = write_grid()
    record_launch(open_sweep(grid, str(tmp_path)))
    to_end(RunExecutor(load_grid(grid).cells[0], Store(tmp_path / "tiny"), "tiny"))
    ran = invoke("sweeps.status", tmp_path / "tiny", "--watch")
    assert re.fullmatch(r"\d\d:\d\d:\d\d 1 cell: 1 finished\n", ran.stdout)


@pytest.mark.parametrize("limit", ["2 hours", "h", "0s", "-5m"])
def test_a_time_limit_that_is_none_is_refused(write_grid, tmp_path, limit):
    ran = invoke("sweeps.launch", write_grid(), "--results", tmp_path / "r", f"--time-limit={limit}")
    assert ran.returncode == 2 and "such as 90s or 2h" in ran.stderr
    assert not (tmp_path / "r").exists()


def test_a_sweep_folder_that_is_a_link_is_refused(write_grid, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "r").mkdir()
    (tmp_path / "r/tiny").symlink_to(tmp_path / "elsewhere")
    ran = invoke("sweeps.launch", write_grid(), "--results", tmp_path / "r")
    assert ran.returncode == 2 and "is a link" in ran.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_node_with_other_code_is_refused_by_name():
    here = code_version()
    assert other_code(here) == ""
    assert here["mmcr-sweeps code"] != hashlib.sha256().hexdigest()[:12]  # of no file at all
    differs = other_code(here | {"torch": "1.0"})
    assert re.fullmatch(r"node \S+ has torch .* \(driver: 1.0\); install the same on every node", differs)


@pytest.mark.slow
def test_after_a_failed_capture_a_cell_goes_on_in_another_worker_without_graphs(write_grid, tmp_path, ray_address):
    objective = write_failing(tmp_path, 'CaptureFailed("the step cannot be captured as a CUDA graph (no)")', times=1)
    grid = write_grid(objective=objective, D="[8, 16]")
    ran = invoke("sweeps.launch", grid, "--results", tmp_path / "r", "--address", ray_address)
    assert ran.returncode == 0, ran.stderr
    rows = Store(tmp_path / "r/tiny").rows()
    assert [row["status"] for row in rows] == ["finished"] * 2
    notes = [json.loads(row["versions"]).get("notes") for row in rows]
    assert [note for note in notes if note] == [["the step cannot be captured as a CUDA graph (no); it runs eagerly"]]


@pytest.mark.slow
def test_a_damaged_row_is_quarantined_by_the_next_launch(write_grid, tmp_path, ray_address):
    grid, store = write_grid(), Store(tmp_path / "r/tiny")
    (cell,) = load_grid(grid).cells
    trial = RunExecutor(cell, store, "tiny")
    to_end(trial)
    row = tmp_path / "r/tiny/runs" / f"{trial.run_id}.parquet"
    row.write_bytes(b"PAR1")
    ran = invoke("sweeps.launch", grid, "--results", tmp_path / "r", "--address", ray_address)
    assert ran.returncode == 0
    assert f"damaged/runs/{row.name} is damaged and was quarantined; its cell is run again" in ran.stderr
    assert store.statuses() == {trial.run_id: "finished"}


def test_checkpoints_take_at_most_a_fiftieth_of_the_time(tmp_path, digits_spec, monkeypatch):
    """Where one takes a tenth of a second, the next is due after five, however often they are asked for."""
    trial = RunExecutor(digits_spec(), Store(tmp_path), "s", ExecutorSettings(checkpoint_seconds=0.001))
    trial.advance(1e-9)
    monkeypatch.setattr(trial.store, "write_checkpoint", lambda *_, **__: time.sleep(0.1))
    trial.save()
    assert trial._next_checkpoint - time.monotonic() == pytest.approx(5, rel=0.3)
    trial.stop()


def test_diverged_runs_stay_diverged_when_retried(tmp_path, digits_spec):
    spec = digits_spec(optimizer=OptimizerSpec(learning_rate=1e30))
    first = to_end(RunExecutor(spec, Store(tmp_path), "s"))
    again = to_end(RunExecutor(spec, Store(tmp_path), "s"))
    assert (first.status, first.error) == (again.status, again.error)
