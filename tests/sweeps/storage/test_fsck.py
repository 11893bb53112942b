"""Checking, repairing and compacting a store."""

import errno
import json
import os
import shutil
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from mmcr_core.config.run import BudgetSpec
from sweeps.cli.errors import UserError
from sweeps.storage.fsck import examine
from sweeps.storage.leases import Owner
from sweeps.storage.packing.compaction import compact_run
from sweeps.storage.sweep_store import Store
from tests.conftest import invoke, run_without_privileges
from tests.synthetic import write_sweep


@pytest.fixture
def store(tmp_path):
    return write_sweep(tmp_path / "s", sizes=(64, 128), views=(2,), steps=1200)


def chunks(store):
    return sorted((store.root / "trajectories").rglob("*.parquet"))


def problems(store, repair=True):
    return [finding.problem for finding in examine(store, repair)]


def test_a_whole_store_has_no_problems(store):
    assert problems(store) == []
    ran = invoke("sweeps.store", "check", store.root)
    assert ran.returncode == 0
    assert ran.stdout == "4 runs checked, 0 problems\n"


def corrupt(file):
    content = bytearray(file.read_bytes())
    middle = len(content) // 3
    content[middle : middle + 40] = bytes(40)
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda store: chunks(store)[4].unlink(), "are missing"),
        (lambda store: chunks(store)[5].unlink(), "the row of the finished run says 1200"),
        (lambda store: corrupt(chunks(store)[4]), "chunk cannot be read"),
        (lambda store: chunks(store)[4].write_bytes(b""), "chunk cannot be read"),
        (lambda store: chunks(store)[4].write_bytes(chunks(store)[3].read_bytes()), "not those of its name"),
        (lambda store: chunks(store)[4].write_bytes(chunks(store)[1].read_bytes()), "not those of its name"),
    ],
)
def test_a_broken_trajectory_is_found_and_its_cell_alone_is_run_again(store, damage, says):
    run_id = chunks(store)[4].parent.name
    damage(store)
    assert any(says in problem for problem in problems(store, repair=False))
    assert len(store.statuses()) == 4
    assert any(says in problem for problem in problems(store))
    assert run_id not in store.statuses() and len(store.statuses()) == 3
    assert store.checkpointed_step(run_id) == 0  # so that it starts anew


@pytest.fixture
def begun(tmp_path, digits_spec, monkeypatch):
    """A run that was left after three chunks, with its checkpoints."""
    from mmcr_core.training import pretraining
    from sweeps.execution.run_executor import RunExecutor

    monkeypatch.setattr(pretraining, "CHUNK_STEPS", 10)
    store = Store(tmp_path / "begun")
    trial = RunExecutor(digits_spec(budget=BudgetSpec(steps=1100)), store, "s")
    while trial._run is None or trial._run.step < 31:
        trial.advance(1e-9)
    trial.stop()
    return store, trial.run_id


def kept_checkpoints(store, run_id):
    return [name for name, payload in store.read_checkpoints(run_id) if payload]


def test_a_failed_row_without_steps_costs_a_run_nothing(begun):
    """As the driver writes it for a worker that was killed: it knows no steps."""
    store, run_id = begun
    row = dict.fromkeys(("sweep", "objective", "dataset", "encoder", "precision"), "s")
    row |= {"P": 16, "D": 8, "K": 2, "seed": 0, "schema_version": 1, "spec": "{}"}
    store.write_run({**row, "run_id": run_id, "status": "failed", "error": "the worker process died 3 times"})
    before, kept = sorted(store.root.rglob("*")), kept_checkpoints(store, run_id)
    assert kept
    assert problems(store) == []
    assert sorted(store.root.rglob("*")) == before
    assert kept_checkpoints(store, run_id) == kept


def test_a_cell_that_is_being_trained_is_left_alone(begun):
    store, run_id = begun
    corrupt(chunks(store)[0])
    lease = store.lease(run_id, "somebody")
    assert lease.take() is None
    before = {file: file.read_bytes() for file in store.root.rglob("*") if file.is_file()}
    assert problems(store) == ["is being trained"]
    assert {file: file.read_bytes() for file in store.root.rglob("*") if file.is_file()} == before
    ran = invoke("sweeps.store", "check", store.root)
    assert ran.returncode == 0
    assert f"{run_id}.json: is being trained; not checked" in ran.stdout
    lease.release()
    assert "chunk cannot be read" in problems(store, repair=False)


def test_checkpoints_beyond_missing_steps_are_moved_and_not_deleted(begun):
    store, run_id = begun
    kept = kept_checkpoints(store, run_id)
    chunks(store)[0].unlink()
    found = problems(store)
    assert any("from which on steps are missing" in problem for problem in found)
    moved = sorted(file.name for file in (store.root / "damaged/checkpoints" / run_id).iterdir())
    assert moved == sorted(kept)
    assert kept_checkpoints(store, run_id) == []


def test_a_finished_run_whose_trajectory_is_gone_is_found(store):
    run_id = chunks(store)[0].parent.name
    shutil.rmtree(store.root / "trajectories" / run_id)
    assert "trajectory is not whole" in problems(store)
    assert run_id not in store.statuses()
    assert (store.root / "damaged/runs" / f"{run_id}.parquet").exists()


def test_foreign_files_are_named_and_passed_over_by_everything(store):
    row = sorted((store.root / "runs").iterdir())[0]
    chunk = chunks(store)[0]
    strangers = [
        row.with_name(f"{row.stem} (conflicted copy).parquet"),
        row.with_name("notes.txt"),
        chunk.with_name(f"{chunk.stem} copy.parquet"),
    ]
    for stranger in strangers:
        stranger.write_bytes(b"not ours")
    store.write_checkpoint(row.stem, 5, b"state")
    odd = store.root / "checkpoints" / row.stem / "00000010 copy.ckpt"
    odd.write_bytes(b"not ours")
    assert problems(store) == ["is not a file of this store"] * 4
    assert len(store.statuses()) == 4
    assert store.checkpointed_step(row.stem) == 5
    assert [name for name, _ in store.read_checkpoints(row.stem)] == ["00000005.ckpt"]
    for command in (["store", "check"], ["store", "compact"], ["status"]):
        ran = invoke(f"sweeps.{command[0]}", *command[1:], store.root)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    assert all(stranger.read_bytes() == b"not ours" for stranger in (*strangers, odd))


def test_a_copied_folder_of_a_run_is_passed_over(store):
    run = chunks(store)[0].parent
    shutil.copytree(run, run.with_name(f"{run.name} copy"))
    before = sorted(store.root.rglob("*"))
    assert problems(store) == ["is not a file of this store"]
    assert sorted(store.root.rglob("*")) == before


def test_a_row_without_a_schema_version_counts_as_damaged(store):
    import pyarrow.parquet as pq

    file = sorted((store.root / "runs").iterdir())[0]
    pq.write_table(pq.read_table(file).drop_columns(["schema_version"]), file)
    assert "row cannot be read" in problems(store, repair=False)
    assert len(store.statuses()) == 3


def test_a_sweep_that_has_no_runs_yet_can_be_checked_and_compacted(store):
    shutil.rmtree(store.root / "runs")
    shutil.rmtree(store.root / "trajectories")
    store.write_checkpoint("abc", 5, b"state")
    for command, says in (("check", "0 runs checked, 0 problems"), ("compact", "0 runs packed")):
        ran = invoke("sweeps.store", command, store.root)
        assert ran.returncode == 0 and says in ran.stdout


def test_cells_that_cannot_be_read_are_found(store):
    (store.root / "cells.parquet").write_bytes(b"P,D\n1,2\n")
    assert problems(store) == ["cells of the last launch cannot be read"]


def test_compact_refuses_a_newer_schema_in_one_sentence(store):
    row = store.read_run(store.statuses().popitem()[0])
    store.write_run({**row, "schema_version": 2})
    ran = invoke("sweeps.store", "compact", store.root)
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1 and "schema_version 2" in ran.stderr


def test_a_damaged_row_and_checkpoint_are_quarantined(store):
    row = sorted((store.root / "runs").iterdir())[0]
    row.write_bytes(row.read_bytes()[:-20])
    store.write_checkpoint("r", 5, b"state")
    corrupt(store.root / "checkpoints/r/00000005.ckpt")
    found = problems(store)
    assert "row cannot be read" in found and "checkpoint is damaged" in found
    assert (store.root / "damaged/runs" / row.name).exists()
    assert (store.root / "damaged/checkpoints/r/00000005.ckpt").exists()
    assert len(store.statuses()) == 3


def test_old_temporary_files_are_removed_and_young_ones_left(store):
    old, young = store.root / "runs/.a.parquet.x.tmp", store.root / "runs/.b.parquet.x.tmp"
    for file in (old, young):
        file.write_bytes(b"half")
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    assert problems(store) == ["temporary file of a process that died"]
    assert young.exists() and not old.exists()


def test_a_newer_schema_is_refused(store):
    row = store.read_run(store.statuses().popitem()[0])
    store.write_run({**row, "schema_version": 2})
    with pytest.raises(UserError, match="schema_version 2; this code reads up to 1"):
        store.statuses()
    ran = invoke("sweeps.store", "check", store.root)
    assert ran.returncode == 2 and "Traceback" not in ran.stderr


def test_compaction_killed_before_it_deleted_is_finished_by_the_next(store):
    run_id = chunks(store)[0].parent.name
    saved = {file: file.read_bytes() for file in chunks(store) if file.parent.name == run_id}
    compact_run(store, run_id)
    for file, content in saved.items():
        file.write_bytes(content)
    assert store.steps_stored(run_id) == 1200
    assert problems(store, repair=False) == ["its steps stand in a longer chunk too"] * 3
    assert compact_run(store, run_id) == 4
    assert len(store.chunks(run_id)) == 1


@pytest.mark.parametrize("command", ["check", "compact"])
def test_a_folder_that_is_no_sweep_is_refused(tmp_path, command):
    ran = invoke("sweeps.store", command, tmp_path)
    assert ran.returncode == 2
    assert "is not a sweep's folder" in ran.stderr


def test_a_damaged_run_is_trained_again_by_the_next_trial(tmp_path, digits_spec):
    from sweeps.execution.run_executor import RunExecutor

    store = Store(tmp_path)
    trial = RunExecutor(digits_spec(), store, "s")
    trial.advance(60)
    good = store.read_trajectory(trial.run_id)
    corrupt(chunks(store)[0])
    assert problems(store)
    assert RunExecutor(digits_spec(), store, "s").advance(60).status == "finished"
    assert store.read_trajectory(trial.run_id).equals(good)


def test_damaged_weights_and_measures_are_quarantined_and_measured_again_where_that_can_be(tmp_path, digits_spec):
    from sweeps.execution.run_executor import RunExecutor

    store = Store(tmp_path)
    trial = RunExecutor(digits_spec(), store, "s")
    trial.advance(60)
    assert problems(store) == []
    measures = tmp_path / "measures" / trial.run_id / "00000012.parquet"
    before = store.read_measures(trial.run_id, 12)
    measures.write_bytes(b"half of it")
    assert problems(store, repair=False) == ["measures cannot be read"] == problems(store)
    assert not measures.exists()
    assert RunExecutor(digits_spec(), store, "s").advance(60).status == "finished"
    assert store.read_measures(trial.run_id, 12) == before
    weights = tmp_path / "weights" / f"{trial.run_id}.safetensors"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 0xFF
    weights.write_bytes(content)
    assert problems(store) == ["weights are damaged"]
    assert (tmp_path / "damaged" / "weights" / weights.name).exists()


@pytest.mark.parametrize("folder", ["runs", "trajectories", "measures", "decisions", "cells", "leases"])
@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE, errno.EIO])
def test_a_file_that_the_system_keeps_from_reading_is_not_damaged(store, monkeypatch, folder, number):
    """Another person's, or one too many open: it is named, and left where it is."""
    run_id = chunks(store)[0].parent.name
    store.write_measures(run_id, 1200, [])
    store.write_cells([])
    if name := {"decisions": f"{run_id}-0.5.parquet", "leases": f"{run_id}.json"}.get(folder):
        (store.root / folder).mkdir()
        (store.root / folder / name).touch()
    file = next(file for file in sorted(store.root.rglob("*")) if folder in str(file) and file.is_file())
    whole = Path.read_bytes

    def read_bytes(path):
        if path == file:
            raise OSError(number, os.strerror(number), str(path))
        return whole(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    monkeypatch.setattr(Path, "read_text", lambda path, **_: read_bytes(path).decode())
    with pytest.raises(OSError, match=os.strerror(number)):
        list(examine(store, repair=True))
    if folder == "runs":
        with pytest.raises(OSError, match=os.strerror(number)):
            store.snapshot().rows()
    assert file.exists() and not (store.root / "damaged").exists()


@pytest.mark.parametrize("folder", ["leases", "claims"])
def test_the_lease_of_a_run_that_is_being_trained_is_named_where_it_is(store, folder):
    run_id = chunks(store)[0].parent.name
    (store.root / folder).mkdir()
    file = store.root / folder / f"{run_id}.json"
    file.write_text(json.dumps(asdict(Owner.here("another"))))
    assert [(found.file, found.wrong) for found in examine(store, repair=True)] == [(file, False)]


@pytest.mark.parametrize("table", ["trajectories", "measures", "checkpoints", "runs"])
def test_a_folder_that_the_system_keeps_from_reading_is_named_and_no_run_is_quarantined(store, table):
    run_id = sorted(store.statuses())[0]
    folder = store.root / table / run_id if table != "runs" else store.root / table
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0)
    ran = run_without_privileges("sweeps/store.py", "check", store.root)
    folder.chmod(0o755)
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert f"{folder}: Permission denied" in ran.stderr
    assert not (store.root / "damaged").exists() and len(store.statuses()) == 4
