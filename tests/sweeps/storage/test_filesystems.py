"""A sweep whose results lie on an object store: a local S3 server."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from analysis import open_results
from mmcr_core.config.run import BudgetSpec
from sweeps.execution.run_executor import RunExecutor
from sweeps.storage.filesystems import create_exclusively, read_files, to_path
from sweeps.storage.fsck import examine
from sweeps.storage.leases import Lease
from sweeps.storage.packing.compaction import compact, compact_run
from sweeps.storage.sweep_store import Store
from tests.conftest import invoke
from tests.sweeps.execution.test_run_executor import to_end
from tests.synthetic import write_sweep


@pytest.fixture(scope="module")
def server():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 300
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()


@pytest.fixture
def bucket(server, monkeypatch, tmp_path):
    """URL of a bucket of this test."""
    name = tmp_path.name.replace("_", "-").lower()[:60].strip("-")
    for key, value in {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x", "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{key}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    to_path(f"s3://{name}").fs.mkdir(name)
    return f"s3://{name}"


@pytest.mark.slow
def test_a_grid_runs_is_resumed_and_analysed_at_a_url(bucket, write_grid, tmp_path):
    grid = write_grid(D="[8, 16]", P="[16, 32]", budget="{steps: 700}")
    first = invoke("sweeps.launch", grid, "--results", f"{bucket}/results", "--only", "D=8")
    assert first.returncode == 0, first.stderr
    ran = invoke("sweeps.launch", grid, "--results", f"{bucket}/results", "--json")
    assert ran.returncode == 0, ran.stderr
    outcome = json.loads(ran.stdout)
    assert outcome["finished_before"] == 2 and len(outcome["finished"]) == 2
    url = f"{bucket}/results/tiny"
    assert set(Store(url).statuses().values()) == {"finished"}
    query = invoke("query", url, "SELECT count(*) AS n, sum(steps) AS s FROM runs", "--json")
    assert json.loads(query.stdout) == [{"n": 4, "s": 2800}], query.stderr
    for script in ("plot_scaling", "plot_double_descent", "report"):
        drawn = invoke(script, url)
        assert drawn.returncode == 0, drawn.stderr
    names = {path.name for path in (to_path(url) / "figures").glob("*")}
    assert {"scaling.png", "scaling.pdf", "double_descent.png"} <= names
    assert (to_path(url) / "report.html").exists() and (to_path(url) / "fits.parquet").exists()
    fits = invoke("query", url, "SELECT count(*) AS n FROM fits", "--json")
    assert json.loads(fits.stdout) == [{"n": 24}]  # six forms of the law of each cell
    shown = invoke("sweeps.status", url)
    assert "4 cells: 4 finished" in shown.stdout
    checked = invoke("sweeps.store", "check", url)
    assert checked.stdout == "4 runs checked, 0 problems\n"


def test_a_trial_stopped_at_a_url_goes_on_bit_for_bit(bucket, tmp_path, digits_spec):
    whole, store = RunExecutor(digits_spec(), Store(tmp_path), "s"), Store(f"{bucket}/s")
    to_end(whole)
    begun = RunExecutor(digits_spec(), store, "s")
    begun.advance(1e-9)
    begun.stop()
    assert store.checkpointed_step(begun.run_id) == 1
    to_end(RunExecutor(digits_spec(), store, "s"))
    pd.testing.assert_frame_equal(
        store.read_trajectory(whole.run_id), Store(tmp_path).read_trajectory(whole.run_id), check_exact=True
    )
    assert not list(to_path(f"{bucket}/s/checkpoints").rglob("*.ckpt"))
    assert not list(to_path(f"{bucket}/s/leases").rglob("*.json"))


def test_of_two_launches_at_a_url_one_has_a_cell(bucket):
    first, second = (Lease(to_path(f"{bucket}/leases/r.json"), launch) for launch in "ab")
    assert first.take() is None
    assert second.take().pid == os.getpid()
    first.release()
    assert second.take() is None
    second.release()
    assert create_exclusively(to_path(f"{bucket}/x"), b"1") and not create_exclusively(to_path(f"{bucket}/x"), b"2")
    assert to_path(f"{bucket}/x").read_bytes() == b"1"


def test_a_store_at_a_url_is_packed_and_read_as_before(bucket, tmp_path):
    local = write_sweep(tmp_path / "s", sizes=(64, 128), views=(2,), steps=60)
    to_path(bucket).fs.put(str(local.root), f"{bucket}/s", recursive=True)
    store, before = Store(f"{bucket}/s"), open_results(local.root)
    assert store.rows() == local.rows()
    assert compact(store).runs == 4
    assert store.rows() == local.rows() and len(list(to_path(f"{bucket}/s/packed").glob("*"))) == 2
    after = open_results(f"{bucket}/s")
    for name in ("runs", "trajectories"):
        pd.testing.assert_frame_equal(getattr(after, name)(), getattr(before, name)(), check_exact=True)
    assert list(examine(store, repair=False)) == []


def test_small_files_of_a_url_are_read_by_one_request_each(bucket, monkeypatch):
    folder = to_path(bucket)
    for name in "ab":
        (folder / name).write_bytes(name.encode())
    asked = []
    fs = type(folder.fs)
    real = fs._call_s3

    def counted(self, method, *arguments, **options):
        asked.append(method)
        return real(self, method, *arguments, **options)

    monkeypatch.setattr(fs, "_call_s3", counted)
    assert read_files([folder / "a", folder / "absent", folder / "b"]) == [b"a", None, b"b"]
    assert asked == ["get_object"] * 3


@pytest.mark.usefixtures("chunks_of_50")
def test_upkeep_works_at_a_url(bucket, digits_spec):
    store = Store(f"{bucket}/s")
    trial = RunExecutor(digits_spec(budget=BudgetSpec(steps=110)), store, "s")
    to_end(trial)
    (chunk,) = store.chunks(trial.run_id)  # a run compacts itself as it ends
    assert compact_run(store, trial.run_id) == 0
    assert store.steps_stored(trial.run_id) == 110
    chunk.write_bytes(chunk.read_bytes()[:100])
    found = [finding.problem for finding in examine(store, repair=True)]
    assert found[0] == "chunk cannot be read" and found[-1] == "trajectory is not whole"
    assert store.statuses() == {}


def test_a_bucket_that_is_not_there_is_named(bucket, write_grid):
    ran = invoke("sweeps.launch", write_grid(), "--results", "s3://no-such-bucket/r")
    assert ran.returncode == 2, ran.stderr
    assert "--results: s3://no-such-bucket/r cannot be written to" in ran.stderr and "Traceback" not in ran.stderr
    board = invoke("sweeps.launch", write_grid(), "--results", f"{bucket}/r", "--track", "tensorboard")
    assert board.returncode == 2 and "--track: tensorboard needs results in a folder" in board.stderr
