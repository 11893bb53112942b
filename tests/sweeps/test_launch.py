"""The launch command as a user runs it: real Ray, real runs, real signals."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pandas as pd
import psutil
import pytest

from sweeps.cli.errors import UserError
from sweeps.config.grid_file import load_grid
from sweeps.execution.run_executor import RunExecutor
from sweeps.monitoring.sweep_status import survey
from sweeps.planning.sweep import open_sweep, require_resources, require_runnable
from sweeps.storage.sweep_store import Store
from tests.conftest import REPOSITORY, invoke, run_script
from tests.custom_components import write_own


def launch(grid, results, *options):
    return invoke("sweeps.launch", grid, "--results", results, *options)


def start(grid, results, **environment):
    command = [sys.executable, "sweeps/launch.py", str(grid), "--results", str(results)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    whole = os.environ | environment
    return subprocess.Popen(command, cwd=REPOSITORY, env=whole, text=True, start_new_session=True, **pipes)


def wait_for(condition, process, seconds=300):
    """Poll until `condition()` is true; fails where the process ends first or nothing happens."""
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "nothing happened"
        time.sleep(0.1)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_grid_runs_and_a_second_launch_has_nothing_to_do(write_grid, tmp_path, ray_address):
    grid, results = write_grid(P="[16, 32]", D="[8, 16]"), tmp_path / "results"
    first = launch(grid, results, "--address", ray_address)
    assert first.returncode == 0, first.stderr
    assert first.stdout == f"tiny: 4 of 4 cells finished; results in {results / 'tiny'}\n"
    begun, *lines = first.stderr.splitlines()
    assert begun == "4 cells: 0 finished already, 4 to run"
    assert [line.split(" ", 1)[1].split(",")[0] for line in lines] == [f"{n} of 4 done" for n in (1, 2, 3, 4)]
    store = Store(results / "tiny")
    assert list(store.statuses().values()) == ["finished"] * 4
    assert (results / "tiny/grid.yaml").read_text() == grid.read_text()
    before = {path: (results / "tiny" / path).stat().st_mtime_ns for path in files(results / "tiny")}
    second = launch(grid, results)
    assert second.returncode == 0
    assert "4 finished already, 0 to run" in second.stderr
    assert {path: (results / "tiny" / path).stat().st_mtime_ns for path in files(results / "tiny")} == before


def test_only_the_cells_asked_for_are_run(write_grid, tmp_path, ray_address):
    grid = write_grid(P="[16, 32]", D="[8, 16]", K="[2, 3]")
    options = ["--only", "K=3,P=16", "--max-concurrent", "1", "--json", "--address", ray_address]
    ran = launch(grid, tmp_path / "r", *options)
    assert len(json.loads(ran.stdout)["finished"]) == 2
    store = Store(tmp_path / "r/tiny")
    assert {(row["P"], row["K"]) for row in map(store.read_run, store.statuses())} == {(16, 3)}


def test_cells_that_diverge_leave_the_others_and_are_tried_again_only_where_asked_for(
    write_grid, tmp_path, ray_address
):
    grid = write_grid(optimizer="{learning_rate: [1.0e-3, 1.0e+30]}", D="[8, 16]")
    first = launch(grid, tmp_path / "results", "--address", ray_address)
    assert first.returncode == 1
    assert "2 of 4 cells finished, 2 diverged (--only status=diverged tries again)" in first.stdout
    assert first.stderr.count("diverged: loss or percent error is not finite") == 2
    assert first.stderr.count("optimizer.learning_rate=1e+30") == 2
    assert "Traceback" not in first.stderr
    store = Store(tmp_path / "results/tiny")
    ends = {row["run_id"]: row["finished_at"] for row in store.rows()}
    again = launch(grid, tmp_path / "results", "--json")
    assert again.returncode == 1
    outcome = json.loads(again.stdout)
    assert outcome["finished_before"] == 2 and outcome["finished"] == []
    assert len(outcome["unfinished"]) == 2
    assert {row["run_id"]: row["finished_at"] for row in store.rows()} == ends
    asked = launch(grid, tmp_path / "results", "--only", "status=diverged,D=8", "--address", ray_address)
    assert asked.returncode == 1
    assert sum(row["finished_at"] != ends[row["run_id"]] for row in store.rows()) == 1


@pytest.mark.parametrize(
    ("changes", "options", "says"),
    [
        ({"P": "5000"}, [], "grid.yaml:4: P: 5000 exceeds the 1437 training images"),
        ({"dataset": "cifar10", "encoder": "convnet"}, [], "dataset 'cifar10' is not in"),
        ({}, ["--only", "P=7"], "--only: no cell has P=7; the grid has 16"),
        ({}, ["--only", "depth=7"], "--only: 'depth' is not a key of the grid's cells"),
        ({}, ["--cell", "1"], "--cell: 1 is not a cell of the grid; use 0..0"),
        ({}, ["--cell", "0", "--only", "P=16"], "--cell: trains one cell without Ray; leave --only"),
        ({}, ["--address", "127.0.0.1:1"], "no Ray cluster answers at 127.0.0.1:1"),
    ],
)
def test_bad_input_is_one_line_exit_code_2_and_nothing_written(changes, options, says, write_grid, tmp_path):
    ran = launch(write_grid(**changes), tmp_path / "results", *options)
    assert ran.returncode == 2, ran.stderr
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr and ran.stderr.count("\n") == 1
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("options", [[], ["--plan"], ["--cell", "0"]], ids=["launch", "plan", "one cell"])
def test_more_gpus_than_there_are_are_refused_alike(options, write_grid, tmp_path):
    ran = launch(write_grid(resources="{gpus: 1}"), tmp_path / "results", *options)
    place = f"{tmp_path / 'grid.yaml'}:9: resources.gpus"
    assert (ran.returncode, ran.stderr) == (2, f"{place}: 1 exceeds the 0 GPUs there are; use less or auto\n")
    assert not (tmp_path / "results").exists()


def test_more_cores_or_gpus_than_there_are_are_refused(write_grid, tmp_path):
    for resources, gpus, says in (
        ("{cpus: 5}", 1, ":9: resources.cpus: 5 exceeds the 4 cores there are"),
        ("{gpus: 1}", 0, ":9: resources.gpus: 1 exceeds the 0 GPUs there are"),
    ):
        with pytest.raises(UserError, match=says):
            require_resources(open_sweep(write_grid(resources=resources), str(tmp_path)), gpus, 4)
    require_resources(open_sweep(write_grid(resources="{gpus: 0.5, cpus: 4}"), str(tmp_path)), 1, 4)


def test_a_results_path_that_is_a_file_is_refused(write_grid, tmp_path):
    (tmp_path / "results").write_text("a file")
    ran = launch(write_grid(), tmp_path / "results")
    assert ran.returncode == 2
    assert "is not a folder that can be written to" in ran.stderr


@pytest.mark.parametrize(
    ("results", "says"),
    [
        ("memory://x", "memory://x is lost when the process ends; choose a folder"),
        ("http://127.0.0.1:1/x", "http://127.0.0.1:1/x cannot be written to ("),
        ("LINK", "link is a link to nowhere, which is not there; make it first"),
        ("", "is empty; give a folder, . for this one"),
    ],
)
def test_a_place_that_keeps_no_results_is_refused(results, says, write_grid, tmp_path):
    link = tmp_path / "link"
    link.symlink_to("nowhere")
    with pytest.raises(UserError) as raised:
        require_runnable(open_sweep(write_grid(), str(link) if results == "LINK" else results))
    assert says in str(raised.value)


def test_the_papers_grid_is_planned_without_its_data(tmp_path):
    ran = launch(REPOSITORY / "sweeps/grids/paper-stl10.yaml", tmp_path, "--plan")
    assert ran.returncode == 0, ran.stderr
    assert "75 cells, 3.231e+18 FLOPs; 75 to run" in ran.stdout
    assert ran.stdout.count("to run") == 76
    as_json = launch(REPOSITORY / "sweeps/grids/cifar10.yaml", tmp_path, "--plan", "--json")
    assert len(json.loads(as_json.stdout)["cells"]) == 75
    assert list(tmp_path.glob("results*")) == []


def test_help_has_an_example():
    ran = run_script("sweeps/launch.py", "--help")
    assert ran.returncode == 0
    assert "Example: python sweeps/launch.py quickstart P=64,128" in " ".join(ran.stdout.split())


LONG = {"D": "[8, 16]", "budget": "{steps: 1200}", "checkpoint": "{every_seconds: 0.5}"}


@pytest.fixture
def whole(write_grid, tmp_path):
    """Trajectories of the long grid, trained one cell after another in this process and left alone."""
    for cell in load_grid(write_grid(**LONG)).cells:
        trial = RunExecutor(cell, Store(tmp_path / "whole/tiny"), "tiny")
        assert trial.advance(1e9).status == "finished"
    return trajectories(tmp_path / "whole")


def trajectories(results):
    store = Store(results / "tiny")
    return pd.concat([store.read_trajectory(run_id) for run_id in sorted(store.statuses())], ignore_index=True)


def finished_as_undisturbed(grid, results, ray_address, whole):
    """A last launch finishes what is left, and all steps are those of the undisturbed runs."""
    last = launch(grid, results, "--address", ray_address)
    assert last.returncode == 0, last.stderr
    assert list(Store(results / "tiny").statuses().values()) == ["finished"] * 2
    pd.testing.assert_frame_equal(trajectories(results), whole, check_exact=True)


# Faster: processes that train are preempted in test_local.py and killed in test_run_executor.py, drivers in
# test_adaptive_launch.py, and in test_fault_tolerance.py workers end under Ray.
@pytest.mark.slow
def test_preemption_loses_nothing(whole, write_grid, tmp_path, ray_address):
    grid, results = write_grid(**LONG | {"checkpoint": "{every_seconds: 1000}"}), tmp_path / "results"
    store = Store(results / "tiny")

    preempted = start(grid, results)
    wait_for(lambda: workers(preempted), preempted)
    assert listening(preempted) and all("127.0.0.1" in address for address in listening(preempted))
    assert workers(preempted)[0].nice() == psutil.Process(preempted.pid).nice()  # cells are no background work
    wait_for(lambda: list((results / "tiny/trajectories").glob("*/0*.parquet")), preempted)
    os.killpg(preempted.pid, signal.SIGTERM)  # to Ray's processes too, as `timeout` and batch systems do
    stdout, stderr = preempted.communicate(timeout=300)
    assert preempted.returncode == 130, stderr
    assert "interrupted with " in stdout and "to go (launch again to go on)" in stdout
    assert "Traceback" not in stderr and "received at" not in stderr
    assert list((results / "tiny/leases").iterdir()) == []
    cells = survey(results / "tiny")
    assert any(cell.status == "begun" and store.checkpointed_step(cell.run_id) >= 500 for cell in cells)
    assert not any(cell.status == "running" for cell in cells)
    finished_as_undisturbed(grid, results, ray_address, whole)


@pytest.mark.slow
def test_worker_kill_and_driver_kill_lose_nothing(whole, write_grid, tmp_path, ray_address):
    grid, results = write_grid(**LONG), tmp_path / "results"
    killed = start(grid, results, SLURM_CPUS_PER_TASK="1")  # one worker: what it lost, its successor goes on with
    wait_for(lambda: workers(killed), killed)
    os.kill(workers(killed)[0].pid, signal.SIGKILL)
    began = time.time()
    newest = lambda: max((f.stat().st_mtime for f in (results / "tiny").rglob("0*.ckpt")), default=0)  # noqa: E731
    wait_for(lambda: newest() > began + 1, killed)
    killed.kill()
    killed.communicate()
    finished_as_undisturbed(grid, results, ray_address, whole)


@pytest.mark.slow
@pytest.mark.timeout(5000)
def test_kills_of_worker_driver_and_all_of_ray_at_random_moments_lose_nothing(write_grid, tmp_path):
    """Twenty-five SIGKILLs in all, each of a random kind at a random moment of the training."""
    rng, kills, results = np.random.default_rng(0), Counter(), tmp_path / "results"
    grid = write_grid(D="[8, 16, 32]", P="[16, 32]", budget="{steps: 9000}", checkpoint="{every_seconds: 0.3}")
    driver = None
    while sum(kills.values()) < 25:
        if driver is None:
            driver = start(grid, results)
        until = time.monotonic() + 300
        while not workers(driver) and driver.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        if driver.poll() is not None:  # all cells have ended, finished or killed too often: go on with what failed
            driver.communicate()
            assert any(status != "finished" for status in Store(results / "tiny").statuses().values()), kills
            driver = None
            continue
        time.sleep(float(rng.uniform(0, 2)))
        victim = str(rng.choice(["worker", "worker", "driver", "all"]))
        family = psutil.Process(driver.pid).children(recursive=True) if victim == "all" else []
        targets = [driver, *family] if victim != "worker" else workers(driver)[:1]
        for target in targets:
            with contextlib.suppress(psutil.NoSuchProcess):
                target.kill()
        kills[victim] += bool(targets)
        if victim != "worker":
            driver.communicate()
            driver = None
    if driver is not None:
        driver.communicate(timeout=3000)
    for _ in range(3):
        last = run_script("sweeps/launch.py", grid, "--results", results, timeout=3000)
    assert last.returncode == 0, last.stderr
    for cell in load_grid(grid).cells:
        trial = RunExecutor(cell, Store(tmp_path / "whole/tiny"), "tiny")
        assert trial.advance(1e9).status == "finished"
    pd.testing.assert_frame_equal(trajectories(results), trajectories(tmp_path / "whole"), check_exact=True)
    print(f"kills: {dict(kills)}")


def listening(driver):
    """Addresses at which a driver and its Ray listen."""
    found = set()
    for process in [psutil.Process(driver.pid), *psutil.Process(driver.pid).children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            connections = process.net_connections(kind="tcp")
            found |= {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN}
    return found


def workers(driver):
    """Ray's processes below a driver that are running a cell now."""
    return [p for p in psutil.Process(driver.pid).children(recursive=True) if is_worker(p)]


def is_worker(process):
    try:
        return process.cmdline()[0].startswith("ray::ResourceTrainable")
    except (psutil.Error, IndexError):
        return False


@pytest.mark.slow
@pytest.mark.shared_data
def test_real_photographs_from_parquet_run_the_same_road(shared_data, write_grid, tmp_path):
    path = shared_data / "cifar10-test.parquet"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    grid = write_grid(
        dataset=f"{{name: parquet, path: {path}}}",
        encoder="{name: resnet18, stem: small}",
        views="cifar10",
        precision="bf16",
        D="[8, 16]",
        evaluate="{heldout_batches: 1, probe: none}",
    )
    ran = launch(grid, tmp_path / "results")
    assert ran.returncode == 0, ran.stderr
    assert len(trajectories(tmp_path / "results")) == 24


@pytest.mark.slow
def test_an_own_objective_and_encoder_beside_the_grid_are_trained_and_their_store_is_read_without_them(
    write_grid, tmp_path, ray_address
):
    own = write_own(tmp_path)
    grid = write_grid(
        objective=f'{{name: "{own}:Pull", strength: 0.5}}',
        encoder=f'{{name: "{own}:net", width: 6}}',
        projector="{hidden: []}",
        optimizer="{name: lars, learning_rate: 0.1}",
    )
    ran = run_script("sweeps/launch.py", grid, "--results", tmp_path / "results", "--address", ray_address)
    assert ran.returncode == 0, ran.stderr
    (tmp_path / f"{own}.py").unlink()
    (row,) = Store(tmp_path / "results/tiny").rows()
    assert (row["status"], row["objective"], row["rank_bound"]) == ("finished", f"{own}:Pull", 24)
    (cell,) = survey(tmp_path / "results/tiny")
    assert cell.status == "finished"
    assert (cell.keys["encoder.width"], cell.keys["objective.strength"]) == (6, 0.5)
