"""The Slurm recipes under a real Slurm: two nodes of this machine, daemons of our own."""

import os
import socket
import subprocess
import sys
import time

import pandas as pd
import pytest

from mmcr_core.config.run_id import run_id
from sweeps.config.grid_file import load_grid
from sweeps.execution.run_executor import RunExecutor
from sweeps.storage.sweep_store import Store
from tests.conftest import REPOSITORY, run_script
from tests.sweeps.slurm_daemons import installed, slurm_of_two_nodes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not installed(), reason="needs slurm-wlm, munge and root"),
]
LONG = {"D": "[8, 32]", "budget": "{steps: 6000}", "checkpoint": "{every_seconds: 600}"}  # none before a stop
ENDED = {"COMPLETED", "CANCELED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED"}


@pytest.fixture(scope="module")
def slurm():
    with slurm_of_two_nodes() as running:
        yield running


class Job:
    """A recipe given to sbatch, with its grid and its store. The project's folder is one of links."""

    def __init__(self, slurm, folder, grid, recipe, *options):
        self.slurm, self.grid, self.log = slurm, grid, folder / "job.log"
        self.store = Store(folder / "r/tiny")
        (folder / "sweeps").symlink_to(REPOSITORY / "sweeps")
        (folder / ".venv").symlink_to(sys.prefix)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        (slurm.folder / "ray").mkdir(exist_ok=True)
        of_the_job = {"PYTHONPATH": str(REPOSITORY), "RAY_PORT": port, "RAY_TMPDIR": str(slurm.folder / "ray")}
        sbatch = ["sbatch", "--parsable", f"--output={self.log}", *options, f"sweeps/cluster/{recipe}"]
        of_the_job |= {"XDG_CACHE_HOME": os.environ["XDG_CACHE_HOME"], "OMP_WAIT_POLICY": "PASSIVE"}  # few cores
        self.id = slurm.command(*sbatch, grid, "--results", folder / "r", cwd=folder, **of_the_job)

    def __getitem__(self, name):
        return self.slurm.job(self.id)[name]

    def wait(self, condition, seconds=180):
        """Until it holds; the job's output is the message where it does not."""
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, (
                f"{self.slurm.command('scontrol', 'show', 'job', self.id)}\n{self.log.read_text()}"
            )
            time.sleep(0.3)

    def wait_until_cells_run(self):
        self.wait(lambda: len(self.leases()) == 2)
        time.sleep(3)

    def wait_for_the_end(self):
        self.wait(lambda: self["JobState"] in ENDED, 600)

    def leases(self):
        return list((self.store.root / "leases").glob("*"))

    def checkpoints(self):
        """Newest step of each cell that has a checkpoint."""
        return {file.parent.name: int(file.stem) for file in sorted((self.store.root / "checkpoints").glob("*/*.ckpt"))}


@pytest.fixture
def submit(slurm, tmp_path, write_grid):
    jobs = []

    def run(recipe, *options, **grid):
        jobs.append(Job(slurm, tmp_path, write_grid(**grid), recipe, *options))
        return jobs[-1]

    yield run
    for job in jobs:
        subprocess.run(["scancel", job.id], env=slurm.environment, check=False)
        job.wait(lambda: not slurm.command("squeue", "--noheader"))


def test_a_job_over_both_nodes_finishes_its_grid(submit):
    job = submit("slurm.sh", "--nodes=2", D="[8, 16, 32, 64]", budget="{steps: 300}")
    job.wait_for_the_end()
    assert (job["JobState"], job["ExitCode"]) == ("COMPLETED", "0:0")
    assert "tiny: 4 of 4 cells finished" in job.log.read_text()
    assert list(job.store.statuses().values()) == ["finished"] * 4
    assert job.leases() == [] and list(job.log.parent.glob(".ray-token*")) == []


def test_scancel_leaves_checkpoints_and_no_leases_and_a_launch_goes_on(submit, slurm, tmp_path):
    job = submit("slurm.sh", "--nodes=2", **LONG)
    job.wait_until_cells_run()
    assert job.checkpoints() == {}
    slurm.command("scancel", job.id)
    job.wait(lambda: not job.leases(), 20)
    assert len(job.checkpoints()) == 2 and min(job.checkpoints().values()) > 0
    job.wait(lambda: "0 of 2 cells finished, interrupted with 2 to go" in job.log.read_text(), 30)
    assert "SIGTERM received at" not in job.log.read_text()  # Ray's stacks of C++
    ran = run_script("sweeps/launch.py", job.grid, "--results", tmp_path / "r")
    assert ran.returncode == 0, ran.stderr
    assert list(job.store.statuses().values()) == ["finished"] * 2
    alone = Store(tmp_path / "alone")
    for cell in load_grid(job.grid).cells:
        RunExecutor(cell, alone, "tiny").advance(1e9)
    for run in alone.statuses():
        trajectory = job.store.read_trajectory(run)
        pd.testing.assert_frame_equal(trajectory, alone.read_trajectory(run), check_exact=True)


def test_at_its_time_limit_a_job_leaves_checkpoints_and_queues_itself_again(submit, slurm, tmp_path):
    job = submit("slurm.sh", "--nodes=2", "--time=20", "--signal=B:INT@15", **LONG)
    job.wait_until_cells_run()
    hours, minutes, _ = map(int, job["RunTime"].split(":"))
    slurm.command("scontrol", "update", f"JobId={job.id}", f"TimeLimit={60 * hours + minutes + 1}")
    job.wait(lambda: job["Restarts"] == "1")
    assert len(job.checkpoints()) == 2 and job.leases() == []
    slurm.command("scontrol", "update", f"JobId={job.id}", "TimeLimit=20")
    job.wait_for_the_end()
    assert (job["JobState"], job["ExitCode"]) == ("COMPLETED", "0:0")
    assert list(job.store.statuses().values()) == ["finished"] * 2


def test_a_job_that_is_preempted_and_queued_again_goes_on(submit, slurm, tmp_path):
    job = submit("slurm.sh", "--nodes=2", **LONG)
    job.wait_until_cells_run()
    slurm.command("scontrol", "requeue", job.id)
    job.wait(lambda: not job.leases(), 20)
    assert len(job.checkpoints()) == 2
    job.wait_for_the_end()
    assert (job["JobState"], job["ExitCode"], job["Restarts"]) == ("COMPLETED", "0:0", "1")
    assert list(job.store.statuses().values()) == ["finished"] * 2


def test_an_array_trains_a_cell_a_task_and_a_task_queued_again_goes_on(submit, slurm, tmp_path):
    grid = LONG | {"D": "[8, 16, 32, 64]", "budget": "{steps: 1500}", "checkpoint": "{every_seconds: 0.5}"}
    job = submit("slurm-array.sh", "--array=0-3", **grid)
    second = run_id(load_grid(job.grid).cells[1])
    job.wait(lambda: second in job.checkpoints())
    before = job.checkpoints()[second]
    slurm.command("scontrol", "requeue", f"{job.id}_1")
    job.wait(lambda: second not in {lease.stem for lease in job.leases()}, 20)
    assert job.checkpoints()[second] >= before > 0
    job.wait(lambda: not slurm.command("squeue", "--noheader", f"--jobs={job.id}"), 600)
    for number in range(4):
        ended = slurm.job(f"{job.id}_{number}")
        assert (ended["JobState"], ended["Restarts"]) == ("COMPLETED", "1" if number == 1 else "0")
    assert list(job.store.statuses().values()) == ["finished"] * 4
    assert job.leases() == []
