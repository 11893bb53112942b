"""The store: whole files only, each step once, checkpoints that are checked."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from sweeps.storage.filesystems import write_atomically
from sweeps.storage.sweep_store import RUN_SCHEMA, TRAJECTORY_SCHEMA, Store

ROW = {
    "run_id": "r1", "sweep": "s", "objective": "mmcr", "dataset": "digits", "encoder": "convnet", "P": 16, "D": 8,
    "K": 2, "seed": 0, "precision": "fp32", "status": "finished", "schema_version": 1,
}  # fmt: skip


def columns(first, last):
    n = last - first + 1
    table = {name: np.linspace(0, 1, n) for name in TRAJECTORY_SCHEMA.names[3:]}
    return {"step": np.arange(first, last + 1), "images": np.arange(n) * 16, **table}


def test_a_run_is_one_row_with_every_column(tmp_path):
    store = Store(tmp_path / "s")
    store.write_run(ROW | {"percent_error": 0.25})
    table = pq.read_table(tmp_path / "s/runs/r1.parquet")
    assert table.schema.equals(RUN_SCHEMA)
    assert table.num_rows == 1
    assert store.read_run("r1")["percent_error"] == 0.25
    assert store.read_run("r1")["error"] is None
    assert store.statuses() == {"r1": "finished"}


def test_chunks_are_named_by_their_steps_and_replaying_overwrites(tmp_path):
    store = Store(tmp_path)
    store.write_chunk("r1", 0, 4, columns(0, 4))
    store.write_chunk("r1", 5, 7, columns(5, 7))
    first = (tmp_path / "trajectories/r1/00000000-00000004.parquet").read_bytes()
    store.write_chunk("r1", 0, 4, columns(0, 4))
    assert (tmp_path / "trajectories/r1/00000000-00000004.parquet").read_bytes() == first
    trajectory = store.read_trajectory("r1")
    assert trajectory["step"].tolist() == list(range(8))
    assert set(trajectory["run_id"]) == {"r1"}
    assert store.steps_stored("r1") == 8
    assert store.read_trajectory("unknown").empty
    store.drop_trajectory("r1")
    assert store.steps_stored("r1") == 0


def test_the_newest_two_checkpoints_are_kept_and_damaged_ones_passed_over(tmp_path):
    store = Store(tmp_path)
    for step in (10, 20, 30):
        store.write_checkpoint("r1", step, b"state %d" % step)
    assert sorted(file.name for file in (tmp_path / "checkpoints/r1").iterdir()) == ["00000020.ckpt", "00000030.ckpt"]
    assert list(store.read_checkpoints("r1")) == [("00000030.ckpt", b"state 30"), ("00000020.ckpt", b"state 20")]
    newest = tmp_path / "checkpoints/r1/00000030.ckpt"
    newest.write_bytes(newest.read_bytes()[:-1])
    assert list(store.read_checkpoints("r1")) == [("00000030.ckpt", None), ("00000020.ckpt", b"state 20")]
    (tmp_path / "checkpoints/r1/00000020.ckpt").write_bytes(b"")
    assert [payload for _, payload in store.read_checkpoints("r1")] == [None, None]
    store.drop_checkpoints("r1")
    assert not (tmp_path / "checkpoints/r1").exists()


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "a"
    write_atomically(path, b"old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.glob(".*")) == []


def test_temporary_files_are_not_seen(tmp_path):
    store = Store(tmp_path)
    store.write_run(ROW)
    store.write_chunk("r1", 0, 4, columns(0, 4))
    (tmp_path / "runs/.r2.parquet.abc.tmp").write_bytes(b"half")
    (tmp_path / "trajectories/r1/.00000005-00000009.parquet.abc.tmp").write_bytes(b"half")
    assert store.statuses() == {"r1": "finished"}
    assert store.steps_stored("r1") == 5
