"""One cell of a grid without Ray, as a Slurm array runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict

import pandas as pd
import pytest
import torch

from sweeps.config.grid_file import load_grid
from sweeps.execution.executor_settings import ExecutorSettings
from sweeps.execution.fresh_process import CARRIED, Carried
from sweeps.execution.run_executor import RunExecutor
from sweeps.monitoring.sweep_status import survey
from sweeps.storage.sweep_store import Store
from tests.conftest import REPOSITORY, invoke, run_script
from tests.custom_components import write_failing
from tests.sweeps.execution.test_run_executor import to_end


@pytest.fixture(autouse=True)
def _one_core(monkeypatch):
    """Other tests run beside these."""
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")


def one(grid, number, results, *options):
    return invoke("sweeps.launch", grid, "--cell", number, "--results", results, *options)


def processes(grid, results):
    """Cell 0 in a process of its own, and those that take its place."""
    return run_script("sweeps/launch.py", grid, "--cell", 0, "--results", results)


def test_the_cells_of_an_array_fill_one_store_as_a_launch_does(write_grid, tmp_path):
    grid = write_grid(P="[16, 32]")
    numbered = json.loads(invoke("sweeps.launch", grid, "--plan", "--json").stdout)["cells"]
    order = [cell["run_id"] for cell in sorted(numbered, key=lambda cell: cell["cell"])]
    for number in (1, 0):
        ran = one(grid, number, tmp_path / "r")
        assert ran.returncode == 0, ran.stderr
        assert f"cell {number}, P={16 * (number + 1)} D=8 K=2 seed=0: 1 cell: 0 finished already" in ran.stderr
        assert "tiny: 1 of 1 cell finished" in ran.stdout
        assert Store(tmp_path / "r/tiny").status(order[number]) == "finished"
    again = one(grid, 1, tmp_path / "r", "--json")
    assert json.loads(again.stdout)["finished_before"] == 1
    assert [cell.status for cell in survey(tmp_path / "r/tiny")] == ["finished", "finished"]
    launched = invoke("sweeps.launch", grid, "--results", tmp_path / "r")
    assert "2 finished already, 0 to run" in launched.stderr


def test_keys_replaced_on_the_command_line_are_kept_with_the_store(write_grid, tmp_path):
    ran = one(write_grid(), 1, tmp_path / "r", "P=16,24", "optimizer.learning_rate=2e-3")
    assert ran.returncode == 0 and "cell 1, P=24 D=8 K=2 seed=0: 1 cell:" in ran.stderr, ran.stderr
    kept = load_grid(tmp_path / "r/tiny/grid.yaml")
    assert [(cell.P, cell.optimizer.learning_rate) for cell in kept.cells] == [(16, 2e-3), (24, 2e-3)]
    assert [cell.status for cell in survey(tmp_path / "r/tiny")] == ["waiting", "finished"]


def test_it_imports_no_ray(write_grid, tmp_path):
    script = (
        "import sys; from sweeps.launch import app\n"
        f"sys.argv = ['launch.py', {str(write_grid())!r}, '--cell', '0', '--results', {str(tmp_path / 'r')!r}]\n"
        "try: app()\n"
        "except SystemExit as end: print(end.code, [name for name in sys.modules if name.split('.')[0] == 'ray'])"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ran.stdout.splitlines()[-1] == "0 []", ran.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_signals_leave_a_checkpoint_and_the_next_task_goes_on_bit_for_bit(write_grid, tmp_path, number):
    grid = write_grid(budget="{steps: 700}", checkpoint="{every_seconds: 1000}")
    command = [sys.executable, "sweeps/launch.py", str(grid), "--cell", "0", "--results", str(tmp_path / "r")]
    store, (spec,) = Store(tmp_path / "r/tiny"), load_grid(grid).cells
    whole = RunExecutor(spec, Store(tmp_path / "whole"), "s", ExecutorSettings())
    process = subprocess.Popen(command, cwd=REPOSITORY, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not store.steps_stored(whole.run_id):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    os.kill(process.pid, number)
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 130, stderr
    assert "interrupted with 1 to go" in stdout
    assert "Traceback" not in stderr
    assert store.checkpointed_step(whole.run_id) >= 500
    assert not store.lease(whole.run_id, "").held()
    assert one(grid, 0, tmp_path / "r").returncode == 0
    to_end(whole, 60)
    pd.testing.assert_frame_equal(
        store.read_trajectory(whole.run_id), Store(tmp_path / "whole").read_trajectory(whole.run_id), check_exact=True
    )


def test_the_time_limit_is_kept(write_grid, tmp_path):
    grid = write_grid(budget="{steps: 1000000}")
    ran = one(grid, 0, tmp_path / "r", "--time-limit", "2s")
    assert ran.returncode == 1
    assert "stopped at the time limit with 1 to go" in ran.stdout
    assert [cell.status for cell in survey(tmp_path / "r/tiny")] == ["begun"]


@pytest.mark.parametrize(
    "threads", [1, pytest.param(2, marks=pytest.mark.skipif(os.cpu_count() == 1, reason="one core"))]
)
def test_a_cell_has_one_thread_unless_the_grid_says_otherwise(write_grid, tmp_path, monkeypatch, threads):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "2")
    torch.set_num_threads(3 - threads)
    ran = one(write_grid(resources="{cpus: 2}" if threads == 2 else None), 0, tmp_path / "r")
    assert ran.returncode == 0, ran.stderr
    (row,) = (tmp_path / "r/tiny/runs").glob("*.parquet")
    versions = json.loads(pd.read_parquet(row)["versions"][0])
    assert (versions["threads"], versions["devices"]) == (threads, threads)


def test_more_cores_than_there_are_are_refused(write_grid, tmp_path):
    ran = one(write_grid(resources="{cpus: 2}"), 0, tmp_path / "r")
    assert ran.returncode == 2
    place = f"{tmp_path / 'grid.yaml'}:9: resources.cpus"
    assert ran.stderr.splitlines()[-1] == f"{place}: 2 exceeds the 1 cores there are; use less or auto"
    assert not (tmp_path / "r").exists()


CAPTURE = 'CaptureFailed("the step cannot be captured as a CUDA graph (no)")'


def test_after_a_failed_capture_the_cell_goes_on_in_a_fresh_process_without_graphs(write_grid, tmp_path):
    ran = processes(write_grid(objective=write_failing(tmp_path, CAPTURE, times=1)), tmp_path / "r")
    assert ran.returncode == 0, ran.stderr
    assert "captured as a CUDA graph (no); the cell goes on in a fresh process" in ran.stderr
    assert "Traceback" not in ran.stderr
    (row,) = Store(tmp_path / "r/tiny").rows()
    assert (row["status"], row["steps"]) == ("finished", 12)
    assert json.loads(row["versions"])["notes"] == ["the step cannot be captured as a CUDA graph (no); it runs eagerly"]


@pytest.mark.slow
def test_a_cell_whose_processes_all_had_to_end_fails_with_the_reason(write_grid, tmp_path):
    objective = write_failing(tmp_path, 'RuntimeError("CUDA error: an illegal memory access was encountered")', times=3)
    ran = processes(write_grid(objective=objective), tmp_path / "r")
    assert ran.returncode == 1, ran.stderr
    assert "Traceback" not in ran.stderr
    (row,) = Store(tmp_path / "r/tiny").rows()
    assert (row["status"], row["error"]) == (
        "failed",
        "its process had to end 3 times; last: CUDA error: an illegal memory access was encountered",
    )
    assert one(write_grid(objective=objective), 0, tmp_path / "r").returncode == 0  # the next launch tries again


@pytest.mark.slow  # which failures need a fresh process: test_executor_failures.py
def test_a_retry_after_memory_ran_out_in_a_capture_has_a_fresh_process(write_grid, tmp_path):
    objective = write_failing(tmp_path, 'CaptureOutOfMemory("CUDA out of memory")', times=1)
    ran = processes(write_grid(objective=objective, retries="1"), tmp_path / "r")
    assert ran.returncode == 0, ran.stderr
    assert [row["status"] for row in Store(tmp_path / "r/tiny").rows()] == ["finished"]


@pytest.mark.slow
def test_a_fresh_process_keeps_the_deadline_of_the_first(write_grid, tmp_path):
    grid = write_grid(objective=write_failing(tmp_path, CAPTURE, times=1), budget="{steps: 1000000}")
    command = [sys.executable, "sweeps/launch.py", str(grid), "--cell", "0", "--results", str(tmp_path / "r")]
    over = json.dumps(asdict(Carried(deadline=time.monotonic())))
    ran = subprocess.run(
        [*command, "--time-limit", "1h"],
        cwd=REPOSITORY,
        env=os.environ | {CARRIED: over},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    assert "stopped at the time limit with 1 to go" in ran.stdout
