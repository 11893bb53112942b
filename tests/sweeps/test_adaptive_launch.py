"""Whole adaptive launches: stopped by their target, killed, beside each other, and finished later bit for bit."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from mmcr_core.config.run_id import run_id
from sweeps.config.grid_file import load_grid
from sweeps.execution.adaptive.local import train_until
from sweeps.execution.adaptive.until import parse_until
from sweeps.execution.local import train_one
from sweeps.execution.run_executor import RunExecutor
from sweeps.launch import app
from sweeps.monitoring.sweep_status import survey
from sweeps.planning.launch_limits import Limits
from sweeps.planning.sweep import open_sweep
from sweeps.status import app as status
from sweeps.storage.decisions import decided_rungs, read_decision
from sweeps.storage.fsck import examine
from sweeps.storage.sweep_store import Store
from tests.conftest import REPOSITORY, invoke, run_script
from tests.sweeps.execution.test_run_executor import to_end

GRID = {"P": "[8, 16, 32]", "D": "[8, 32]", "budget": "{steps: 96}", "checkpoint": "{every_seconds: 0.01}"}
UNTIL = "20%"


def decisions(store):
    found = [read_decision(store.root, *key) for key in decided_rungs(store.root)]
    return [
        (one.number, one.run_id, one.rung, one.mean, one.sd, one.measured)
        for one in sorted(found, key=lambda one: one.number)
    ]


def here(grid, results, until=UNTIL, **limits):
    return train_until(open_sweep(grid, str(results)), parse_until(until), Limits(**limits))


def trajectory_digest(store, key):
    return hashlib.sha256(store.read_trajectory(key).to_csv().encode()).hexdigest()


def write(folder, **changes):
    lines = {"name": "tiny", "dataset": "digits", "projector": "{hidden: [32]}", "K": "2"} | GRID | changes
    lines["evaluate"] = "{heldout_batches: 2, probe: none}"
    grid = folder / "grid.yaml"
    grid.write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))
    return grid


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """An adaptive sweep in one process: its grid, its store, how it ended."""
    folder = tmp_path_factory.mktemp("undisturbed")
    grid = write(folder)
    outcome = here(grid, folder / "r")
    return grid, Store(folder / "r/tiny"), outcome


def test_a_watch_ends_when_the_target_is_met(undisturbed):
    ran = CliRunner().invoke(status, [str(undisturbed[1].root), "--watch"])
    assert ran.exit_code == 0
    assert " ".join(ran.stdout.split()).endswith(undisturbed[2].standing.summary())


def test_a_sweep_ends_when_its_target_is_met(undisturbed):
    _, store, outcome = undisturbed
    standing = outcome.standing
    assert outcome.exit_code == 0 and standing.met
    assert 0 < standing.share < 1 and standing.rms <= 0.2
    states = [cell.status for cell in survey(store.root)]
    assert states.count("finished") == standing.trained == len(outcome.finished)
    assert states.count("paused") == standing.paused > 0
    assert set(store.statuses().values()) <= {"finished"}
    assert list(examine(store, repair=False)) == []
    assert all(measured is not None for *_, measured in decisions(store))


def test_after_sigkill_the_same_decisions_follow(undisturbed, tmp_path):
    grid, whole, _ = undisturbed
    store = Store(tmp_path / "tiny")
    command = [sys.executable, "sweeps/launch.py", str(grid), "--until", UNTIL, "--local", "--results", str(tmp_path)]
    process = subprocess.Popen(command, cwd=REPOSITORY, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while len(decided_rungs(store.root)) < 3:
        assert process.poll() is None, process.communicate()
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = decisions(store)
    assert before == decisions(whole)[: len(before)] or before[-1][-1] is None
    outcome = here(grid, tmp_path)
    assert outcome.standing.met
    assert decisions(store) == decisions(whole)


def test_under_ray_free_workers_get_the_next_rungs(tmp_path):
    """Two cells, both trained to their end."""
    grid, folder = write(tmp_path, P="[8, 16]", D="8"), tmp_path / "r"
    ran = run_script("sweeps/launch.py", grid, "--until", UNTIL, "--results", folder, "--max-concurrent", 2, "--json")
    assert ran.returncode == 0, ran.stderr
    outcome = json.loads(ran.stdout)
    assert outcome["adaptive"]["met"] and not outcome["unfinished"]
    store = Store(folder / "tiny")
    taken = decisions(store)
    assert [number for number, *_ in taken] == list(range(len(taken)))
    assert all(measured is not None for *_, measured in taken)
    assert list(examine(store, repair=False)) == []


def test_cells_by_themselves_finish_the_sweep_bit_for_bit(undisturbed, tmp_path):
    grid, whole, _ = undisturbed
    folder = shutil.copytree(whole.root.parent, tmp_path / "r")
    store, straight = Store(folder / "tiny"), Store(folder / "straight")
    for number, cell in enumerate(load_grid(grid).cells):
        _, outcome = train_one(open_sweep(grid, str(folder)), number, Limits())
        assert outcome.exit_code == 0
        to_end(RunExecutor(cell, straight, "tiny"), 60)
        assert trajectory_digest(store, run_id(cell)) == trajectory_digest(straight, run_id(cell))
        assert store.read_weights(run_id(cell)) == straight.read_weights(run_id(cell))
    assert set(store.statuses().values()) == {"finished"}
    assert list(examine(store, repair=False)) == []


@pytest.mark.slow
def test_two_launches_share_a_sweep(undisturbed, tmp_path):
    grid = undisturbed[0]
    command = [sys.executable, "sweeps/launch.py", str(grid), "--until", UNTIL, "--local", "--results", str(tmp_path)]
    both = [
        subprocess.Popen(command, cwd=REPOSITORY, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    ended = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    assert all("is met" in stdout for stdout, _ in ended)
    store = Store(tmp_path / "tiny")
    assert all(measured is not None for *_, measured in decisions(store))
    assert not list((store.root / "leases").iterdir())
    assert list(examine(store, repair=False)) == []


def test_the_time_limit_leaves_what_the_next_launch_goes_on_with(write_grid, tmp_path):
    grid = write_grid(P="[8, 16]", D="[8, 16]", budget="{steps: 1000000}")
    options = ["--until", "5%", "--local", "--results", tmp_path / "r", "--time-limit", "2s"]
    ran = invoke("sweeps.launch", grid, *options)
    assert ran.returncode == 1, ran.stderr
    assert "stopped at the time limit (launch again to go on)" in ran.stdout
    assert "--until 5% is not met yet" in ran.stdout


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--until", "5"], "--until: '5' is not a target"),
        (["--until", "knn_accuracy=0.01"], "--until: the grid does not measure knn_accuracy"),
        (["--until", "5%", "--cell", "0"], "--until: chooses its cells itself"),
        (["--local"], "--local: trains one rung after the other without Ray; give --until"),
    ],
)
def test_options_that_make_no_sense_are_refused(write_grid, tmp_path, options, why):
    ran = CliRunner().invoke(app, [str(write_grid()), *options, "--results", str(tmp_path / "r")])
    assert ran.exit_code == 2 and ran.stderr.startswith(why) and len(ran.stderr.splitlines()) == 1
    assert not (tmp_path / "r").exists()
