"""What is wrong in a store, and repairing what can be repaired safely."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from sweeps.storage.checkpoints import checkpoint_payload
from sweeps.storage.chunks import chunk_steps
from sweeps.storage.files_and_urls import modified, read_table
from sweeps.storage.schema import MEASURE_SCHEMA, RUN_SCHEMA, TRAJECTORY_SCHEMA, of_schema
from sweeps.storage.sweep_store import Store, read_run_row

LEFTOVER_SECONDS = 3600.0  # a temporary file this old belongs to nobody


@dataclass(frozen=True)
class Finding:
    """Something wrong with a file, and what was done about it."""

    file: Path
    problem: str
    remedy: str


def examine(store: Store, repair: bool, track: Callable[[Sequence[Path]], Iterable[Path]] = iter) -> Iterator[Finding]:
    """What is wrong in a store. With `repair`: leftovers are removed; damaged files are set aside, with the row
    and the checkpoints of their run, whose cell the next launch then trains again. `track` may show progress."""
    yield from _leftovers(store, repair)
    for file in store.set_aside_damaged_runs() if repair else []:
        yield Finding(file, "row cannot be read", "set aside, its cell will be run again")
    for file in sorted((store.root / "runs").glob("*.parquet")):
        row = read_run_row(file)
        if row is None:
            yield Finding(file, "row cannot be read", "left as it is")
        elif not of_schema(read_table(file), RUN_SCHEMA):
            yield Finding(file, "columns are not those of this version", "left as it is")
    folders = sorted(path for path in (store.root / "trajectories").glob("*") if path.is_dir())
    for folder in track(folders):
        yield from _trajectory(store, folder, repair)
    yield from _measures_and_weights(store, repair)
    for file in sorted((store.root / "checkpoints").glob("*/*.ckpt")):
        if checkpoint_payload(file) is None:
            if repair:
                store.set_aside(file)
            yield Finding(file, "checkpoint is damaged", "set aside" if repair else "left as it is")


def _measures_and_weights(store: Store, repair: bool) -> Iterator[Finding]:
    """A launch measures again what is set aside here, where the weights are whole."""
    remedy = "set aside" if repair else "left as it is"
    for file in sorted((store.root / "measures").glob("*/[0-9]*.parquet")):
        try:
            whole = read_table(file, page_checksum_verification=True).schema.equals(MEASURE_SCHEMA)
        except (pa.ArrowException, OSError):
            whole = False
        if not whole:
            if repair:
                store.set_aside(file)
            yield Finding(file, "measures cannot be read", remedy)
    for file in sorted((store.root / "weights").glob("*.pt")):
        try:
            damaged = zipfile.ZipFile(io.BytesIO(file.read_bytes())).testzip() is not None
        except zipfile.BadZipFile:
            damaged = True
        if damaged:
            if repair:
                store.set_aside(file)
            yield Finding(file, "weights are damaged", remedy)


def _leftovers(store: Store, repair: bool) -> Iterator[Finding]:
    for file in sorted(store.root.rglob(".*.tmp")):
        if time.time() - modified(file) > LEFTOVER_SECONDS:
            if repair:
                file.unlink()
            yield Finding(file, "temporary file of a process that died", "removed" if repair else "left as it is")


def _trajectory(store: Store, folder: Path, repair: bool) -> Iterator[Finding]:
    run_id, broken = folder.name, False
    files = sorted(folder.glob("[0-9]*.parquet"))
    for file in files:
        problem = _chunk_problem(file, run_id)
        if problem:
            broken = True
            if repair:
                store.set_aside(file)
            yield Finding(file, problem, "set aside" if repair else "left as it is")
    row_file = store.root / "runs" / f"{run_id}.parquet"
    row = read_run_row(row_file) if row_file.exists() else None
    steps, next_step = [chunk_steps(file) for file in store.chunks(run_id)], 0
    for first, last in steps:
        if first != next_step:
            broken = True
            yield Finding(folder, f"steps {next_step}..{first - 1} are missing or stand twice", "see below")
        next_step = last + 1
    if row is not None and row["steps"] != next_step and not broken:
        broken = True
        yield Finding(folder, f"holds {next_step} steps, its row says {row['steps']}", "see below")
    if broken:
        if repair:
            if row is not None:
                store.set_aside(row_file)
            store.drop_checkpoints(run_id)
        remedy = "its row and checkpoints are set aside, its cell will be run again" if repair else "left as it is"
        yield Finding(folder, "trajectory is not whole", remedy)
        return
    superseded = set(files) - set(store.chunks(run_id))
    for file in sorted(superseded):
        if repair:
            file.unlink()
        yield Finding(file, "its steps stand in a longer chunk too", "removed" if repair else "left as it is")


def _chunk_problem(file: Path, run_id: str) -> str:
    try:
        table = read_table(file, page_checksum_verification=True)
    except (pa.ArrowException, OSError):
        return "chunk cannot be read"
    if not table.schema.equals(TRAJECTORY_SCHEMA):
        return "columns are not those of this version"
    first, last = chunk_steps(file)
    if table["step"].to_pylist() != list(range(first, last + 1)) or set(table["run_id"].to_pylist()) != {run_id}:
        return "steps or run_id are not those of its name"
    return ""
