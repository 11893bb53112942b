"""What a hostile user, or a hostile machine, gets: one sentence, nothing lost."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from mmcr_core.config.run import BudgetSpec
from sweeps.cli.errors import UserError
from sweeps.config.grid_file import GridError, load_grid
from sweeps.config.settings import ResourceSettings
from sweeps.execution.ray.cluster import ClusterError, cluster
from sweeps.monitoring.sweep_status import survey
from sweeps.planning.machine import Machine
from sweeps.planning.plan import plan
from sweeps.planning.plan_warnings import memory_warning, require_memory
from sweeps.planning.profiling import ProfilingRun, lookup
from sweeps.storage.sweep_store import Store
from tests.conftest import REPOSITORY, invoke


def one_sentence(ran, code, says):
    assert ran.returncode == code, ran.stderr
    assert says in ran.stderr
    assert ran.stderr.count("\n") == 1 and "Traceback" not in ran.stderr


@pytest.mark.parametrize("content", [b"name: x\0\0\1", b"\x89PNG\r\n\x1a\n\0\0", b"\xff\xfe\0n"])
def test_a_binary_grid_file_is_refused(tmp_path, content):
    (tmp_path / "grid.yaml").write_bytes(content)
    with pytest.raises(GridError, match=r"grid\.yaml(:1)?: .*(not a text file|not UTF-8)"):
        load_grid(tmp_path / "grid.yaml")


def test_a_sweeps_folder_that_is_a_file_is_refused(write_grid, tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r/tiny").write_text("a file")
    ran = invoke("sweeps.launch", write_grid(), "--results", tmp_path / "r", "--cell", "0")
    one_sentence(ran, 2, "tiny is not a folder that can be written to")
    assert (tmp_path / "r/tiny").read_text() == "a file"


@pytest.fixture
def full_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("mounting needs root")
    with contextlib.suppress(OSError):
        (disk / "filler").write_bytes(bytes(1 << 20))
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_is_full_at_the_start_is_named(full_disk, write_grid):
    ran = invoke("sweeps.launch", write_grid(), "--results", full_disk / "r", "--cell", "0")
    assert ran.returncode == 2
    assert "No space left on device" in ran.stderr.splitlines()[-1]
    assert "Traceback" not in ran.stderr


def test_a_cache_folder_that_cannot_be_made_is_never_fatal(digits_spec, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert ProfilingRun(digits_spec(), "cpu", 1, False).advance(1).status == "finished"
    assert lookup(digits_spec(), "cpu", 1, False) is None


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_ray_starts_below_a_long_tmpdir_with_the_cores_that_the_plan_counts(tmp_path):
    folder = tmp_path / ("x" * 80)
    folder.mkdir()
    script = (
        f"import json, os; os.sched_setaffinity(0, {{{min(os.sched_getaffinity(0))}}})\n"
        "from sweeps.execution.ray.cluster import cluster\n"
        "from sweeps.planning.cpu_count import usable_cores\n"
        "with cluster(None) as ray: print(json.dumps([ray.cpus, usable_cores()]))"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    environment |= {"TMPDIR": str(folder), "RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, "-c", script]
    ran = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == [1, 1]


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", None], ids=["hangs up", "http", "silent"])
def test_something_else_at_the_address_is_told_within_seconds(answer):
    with socket.create_server(("127.0.0.1", 0)) as server:
        open_connections = []

        def serve():
            connection, _ = server.accept()
            open_connections.append(connection)
            if answer is not None:
                connection.sendall(answer)
                connection.close()

        threading.Thread(target=serve, daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ClusterError, match=f"no Ray cluster answers at {address}"), cluster(address):
            pass


def to_launch(process, number):
    process.send_signal(number)


def to_all(process, number):
    os.killpg(process.pid, number)


@pytest.mark.slow  # SIGTERM to all is sent in test_launch.py
@pytest.mark.parametrize(
    ("send", "number"), [(to_launch, signal.SIGINT), (to_launch, signal.SIGTERM), (to_all, signal.SIGHUP)]
)
def test_signals_of_preemption_are_ctrl_c(write_grid, tmp_path, send, number):
    """Also where Ray's processes get them, as from `timeout` and batch systems."""
    grid = write_grid(D="[8, 16]", budget="{steps: 1000000}", checkpoint="{every_seconds: 1000}")
    command = [sys.executable, "sweeps/launch.py", str(grid), "--results", str(tmp_path / "r")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, cwd=REPOSITORY, text=True, start_new_session=True, **pipes)
    store, (first, _) = Store(tmp_path / "r/tiny"), load_grid(grid).cells
    while not any(store.steps_stored(folder.name) for folder in (store.root / "trajectories").glob("*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    send(process, number)
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 130, stderr
    assert "interrupted with 2 to go" in stdout
    assert "Traceback" not in stderr and "received at" not in stderr
    assert list((store.root / "leases").iterdir()) == []
    cells = survey(store.root)
    assert any(cell.status == "begun" and store.checkpointed_step(cell.run_id) >= 500 for cell in cells)
    assert not any(cell.status == "running" for cell in cells)
    assert first.P == 16


def test_cells_that_do_not_fit_are_named_and_refused(digits_spec):
    small, large = digits_spec(), digits_spec(P=1024, K=64, budget=BudgetSpec(steps=5))
    machine = Machine(0, 2, 0, 1e11, memory_bytes=64 << 20)
    planned = plan((small, large), ResourceSettings(), machine)
    warning = memory_warning(planned, machine)
    assert warning.startswith("1 of 2 cells need more memory than this machine has, such as P = 1024, D = 8, K = 64: ")
    assert "by estimate, there are 64 MiB; leave them out, use" in warning
    with pytest.raises(UserError, match="1 of 2 cells need more memory"):
        require_memory(planned, machine)
    require_memory(plan((small,), ResourceSettings(), machine), machine)
    assert memory_warning(planned, Machine(0, 2, 0, 1e11)) == ""  # where memory is not known, nothing is said
