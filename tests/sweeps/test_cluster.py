"""Two Ray nodes as separate processes on this machine."""

import contextlib
import shutil
import subprocess
import sys
import time

import pandas as pd
import psutil
import pytest

from sweeps.config.grid_file import load_grid
from sweeps.execution.run_executor import RunExecutor
from sweeps.storage.sweep_store import Store
from tests.conftest import REPOSITORY
from tests.sweeps.ray_nodes import ray_nodes


@pytest.fixture
def cluster():
    """Address of a head without cores, and a function that adds a node of one core."""
    with ray_nodes(head_cpus=0) as (address, add_node):
        yield address, lambda: add_node(1)


def below(node, name):
    """Processes below a `ray start` whose command begins with, or whose program is, `name`."""
    found = []
    for process in psutil.Process(node.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error, IndexError):
            program = process.cmdline()[0]
            if program.startswith(name) or program.endswith(f"/{name}"):
                found.append(process)
    return found


def workers(node):
    return below(node, "ray::ResourceTrainable")


def test_cluster_files_are_what_ray_and_kubernetes_expect():
    import ray
    import yaml
    from ray.autoscaler._private.util import prepare_config, validate_config

    folder = REPOSITORY / "sweeps/cluster"
    validate_config(prepare_config(yaml.safe_load((folder / "ssh.yaml").read_text())))
    job = yaml.safe_load((folder / "kuberay.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == ray.__version__
    for recipe in folder.glob("*.sh"):
        subprocess.run(["bash", "-n", str(recipe)], check=True)
        if shutil.which("shellcheck"):
            subprocess.run(["shellcheck", str(recipe)], check=True)


@pytest.mark.slow
def test_cells_run_on_both_nodes_and_a_killed_node_loses_nothing(cluster, write_grid, tmp_path):
    address, add_node = cluster
    nodes = [add_node(), add_node()]
    until = time.monotonic() + 300
    while not all(below(node, "raylet") for node in nodes):
        assert time.monotonic() < until
        time.sleep(0.1)
    grid = write_grid(D="[8, 16, 32, 64]", budget="{steps: 6000}", checkpoint="{every_seconds: 0.5}")
    store = Store(tmp_path / "r/tiny")
    command = [sys.executable, "sweeps/launch.py", str(grid), "--results", str(tmp_path / "r"), "--address", address]
    driver = subprocess.Popen(command, cwd=REPOSITORY, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def wait_for(condition):
        until = time.monotonic() + 300
        while not condition():
            assert driver.poll() is None, driver.communicate()
            assert time.monotonic() < until, "nothing happened"
            time.sleep(0.1)

    wait_for(lambda: all(workers(node) for node in nodes))  # cells on both
    wait_for(lambda: len(list((store.root / "checkpoints").glob("*/0*.ckpt"))) >= 4)
    for process in [*workers(nodes[1]), *below(nodes[1], "raylet")]:
        process.kill()
    late = add_node()  # a node that joins later is used
    wait_for(lambda: workers(late))
    stdout, stderr = driver.communicate(timeout=300)
    assert driver.returncode == 0, stderr
    assert "4 of 4 cells finished" in stdout
    alone = Store(tmp_path / "alone")
    for cell in load_grid(grid).cells:
        RunExecutor(cell, alone, "tiny").advance(1e9)
    for run_id in alone.statuses():
        pd.testing.assert_frame_equal(store.read_trajectory(run_id), alone.read_trajectory(run_id), check_exact=True)
