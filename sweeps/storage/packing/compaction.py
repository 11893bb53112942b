"""Finished runs packed into few large files, and the chunks of one run merged.

Nothing that counts is ever absent, and nothing counts twice: trajectories and measures are packed before the rows that
make them count, all of it is on the disk before the small files go, and until a small file goes it wins over what is
packed. So compacting may end at any point, and be begun anew.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sweeps.cli.errors import UserError
from sweeps.storage.chunks import chunk_files, chunk_name, chunk_steps, is_chunk, visible_chunks
from sweeps.storage.decisions import decision_files, pack_decisions
from sweeps.storage.filesystems import is_local, read_table, remove_files, write_atomically
from sweeps.storage.leases import Lease
from sweeps.storage.packing.packed import MARKER, SCHEMAS, PackedFile, pack, packed_paths
from sweeps.storage.run_status import RunStatus
from sweeps.storage.schemas import PACKED_VERSION, RUN_SCHEMA, TRAJECTORY_SCHEMA, parquet_bytes
from sweeps.storage.snapshot import Snapshot, read_small
from sweeps.storage.sweep_store import Store

log = logging.getLogger(__name__)
STEPS_TOGETHER = 1 << 20  # in a packed file of trajectories; those with less than half of it are packed anew
Track = Callable[[Sequence[str]], Iterable[str]]


@dataclass(frozen=True)
class Compacted:
    """How many runs were packed, from how many small files, and which finished ones were left: damaged, not whole, or
    just being written."""

    runs: int
    files: int
    left: tuple[str, ...]


def compact_run(store: Store, run_id: str) -> int:
    """Merge a finished run's chunks; the number of files that were merged (0 where there was one already).

    The merged file appears before the others go: until then they lie inside it, where readers pass them over.
    """
    files = chunk_files(store.root / "trajectories" / run_id)
    if len(files) < 2:
        return 0
    visible = visible_chunks(files)
    table = pa.concat_tables([read_table(file, schema=TRAJECTORY_SCHEMA) for file in visible])
    first, last = chunk_steps(visible[0])[0], chunk_steps(visible[-1])[1]
    whole = visible[0].with_name(chunk_name(first, last))
    if len(visible) > 1:
        write_atomically(whole, parquet_bytes(table))
    for file in files:
        if file != whole:
            file.unlink()
    return len(files)


def compact(store: Store, track: Track = iter) -> Compacted:
    """Pack every finished run that nobody is writing. `track` may show progress. Raises UserError where another process
    is packing, and for packed files that are damaged."""
    with packing(store):
        snapshot = store.snapshot()
        rows, listing = snapshot.rows("status", "steps"), snapshot.listing
        remove_files([path for path in packed_paths(store.root) if path not in _paths(snapshot)])
        small = {*listing.rows, *listing.chunks, *listing.measures}
        done = {run for run, row in rows.items() if run in small and row["status"] == RunStatus.FINISHED}
        held = {run for run in done & listing.leases if store.lease(run, "").held()}
        whole = {run for run in done - held if snapshot.steps_stored(run) == rows[run]["steps"]}
        settled = {run for run, row in rows.items() if row["status"] == RunStatus.FINISHED} - listing.leases
        stamps = _stamps([*_small_files(snapshot, whole), *decision_files(store.root)])
        packed = whole - _pack_trajectories(store, snapshot, sorted(whole), track)
        packed -= _pack_table(store, snapshot, "measures", packed)
        packed -= _pack_table(store, snapshot, "runs", packed)
        files = _small_files(snapshot, packed) + pack_decisions(store.root, settled)
        remove_files(listing.passed_over(packed))  # before those that they would stand for
        gone = [file for file, stamp in _stamps(files).items() if stamps.get(file) == stamp]
        for later in (False, True):  # chunks without the first of their run win over nothing
            remove_files([file for file in gone if _is_later(file) == later])
        fresh = store.snapshot()
        remove_files([path for path in packed_paths(store.root) if path not in _paths(fresh)])
        log.info("%d runs packed, %d small files", len(packed), len(files))
        return Compacted(len(packed), len(files), tuple(sorted(done - packed)))


def forget_packed(store: Store, runs: Iterable[str]) -> None:
    """Let runs no longer count as packed: their rows go, and what else is packed of them is then passed over."""
    gone, snapshot = set(runs), store.snapshot()
    with packing(store):
        for file in snapshot.listing.packed("runs"):
            if gone & set(file.runs):
                table = file.read()
                kept = table.filter(pc.invert(pc.is_in(table["run_id"], pa.array(sorted(gone)))))
                write_packed(store, "runs", kept, {file.path.name})
                file.path.unlink()


@contextmanager
def packing(store: Store) -> Iterator[None]:
    """One process at a time packs. Raises UserError where another does."""
    lease = Lease(store.root / "leases" / "packing.json", uuid.uuid4().hex)
    if owner := lease.take():
        raise UserError(f"{store.root} is being compacted by process {owner.pid} on {owner.machine.split()[0]}; wait")
    try:
        yield
    finally:
        lease.release()


def _pack_trajectories(store: Store, snapshot: Snapshot, runs: Sequence[str], track: Track) -> set[str]:
    """Pack the chunks of `runs`; those that cannot be read. What is packed of them already stays where it is the same,
    and small packed files go into the new ones."""
    old = snapshot.listing.packed("trajectories")
    chunks = {run: snapshot.listing.chunks[run] for run in runs if run in snapshot.listing.chunks}
    again = [file for file in old if set(file.runs) & set(chunks) and not _same(file, chunks)]
    if set(chunks) - {run for file in old for run in file.runs}:
        again += [file for file in old if file.rows < STEPS_TOGETHER // 2 and file not in again]
    counting = snapshot.listing.packed_at("trajectories")
    carried = {run: file for file in again for run in file.runs if run not in chunks and run in counting}
    settled = {run for file in old if file not in again for run in file.runs}
    bad, held, count = set[str](), list[pa.Table](), 0
    wanted = sorted({*chunks, *carried} - settled)
    for run in track(wanted):
        table = _trajectory(chunks[run]) if run in chunks else next(t for _, t in carried[run].tables({run}))
        if table is None:
            bad.add(run)
            continue
        held.append(table)
        count += len(table)
        if count >= STEPS_TOGETHER and run != wanted[-1]:
            write_packed(store, "trajectories", pa.concat_tables(held))
            held, count = [], 0
    if held or again:
        table = pa.concat_tables(held or [TRAJECTORY_SCHEMA.empty_table()])
        write_packed(store, "trajectories", table, {file.path.name for file in again})
    return bad


def _trajectory(chunks: Sequence[Path]) -> pa.Table | None:
    """The steps of a run in order, each once; None where its chunks are no such thing."""
    tables = [table for _, table in read_small(chunks, "trajectories", None)]
    if any(table is None for table in tables):
        return None
    table = pa.concat_tables([table for table in tables if table is not None])
    named = table["run_id"].unique().to_pylist() == [chunks[0].parent.name]
    return table if named and np.array_equal(table["step"].to_numpy(), np.arange(len(table))) else None


def _same(file: PackedFile, chunks: dict[str, list[Path]]) -> bool:
    """Whether the chunks of its runs hold what it has of them."""
    both = file.tables(set(chunks) & set(file.runs))
    return all((small := _trajectory(chunks[run])) is not None and table.equals(small) for run, table in both)


def _pack_table(store: Store, snapshot: Snapshot, name: str, runs: set[str]) -> set[str]:
    """Pack rows or measures of `runs` with all that is packed of others, in one file; the runs of which they cannot be
    read."""
    files = [file for file in snapshot.listing.files(name) if _run_of(file) in runs]
    if not files:
        return set()
    bad, small = set[str](), dict[tuple[str, int], pa.Table]()
    for file, table in read_small(files, name, None):
        if table is None or table["run_id"].unique().to_pylist() not in ([_run_of(file)], []):
            bad.add(_run_of(file))
        else:
            small[_run_of(file), _step_of(file)] = table
    small = {key: table for key, table in small.items() if key[0] not in bad}
    old, tables = snapshot.listing.packed(name), list(small.values())
    for table in (file.read(verify=True) for file in old):
        steps = table["step"].to_pylist() if name == "measures" else [0] * len(table)
        kept = [key not in small for key in zip(table["run_id"].to_pylist(), steps, strict=True)]
        tables.append(table.filter(pa.array(kept, pa.bool_())))
    everything = pa.concat_tables(tables or [SCHEMAS[name].empty_table()])
    if name == "runs" and not (store.root / "runs" / MARKER).exists():
        _write_marker(store)
    write_packed(store, name, everything, {file.path.name for file in old})
    return bad


def write_packed(store: Store, name: str, table: pa.Table, replaces: set[str] | frozenset[str] = frozenset()) -> None:
    """Write the packed file of these rows, in the place of others."""
    file, content = pack(name, table, replaces)
    write_atomically(store.root / "packed" / file, content)


def _write_marker(store: Store) -> None:
    """A row that versions without packed files refuse: else they would train every packed run again."""
    texts = {field.name: "packed" for field in RUN_SCHEMA if not field.nullable and pa.types.is_string(field.type)}
    numbers = {field.name: 0 for field in RUN_SCHEMA if not field.nullable and pa.types.is_integer(field.type)}
    row = dict.fromkeys(RUN_SCHEMA.names) | texts | numbers | {"schema_version": PACKED_VERSION}
    write_atomically(store.root / "runs" / MARKER, parquet_bytes(pa.Table.from_pylist([row], RUN_SCHEMA)))


def _paths(snapshot: Snapshot) -> set[Path]:
    counting = {file.path for name in SCHEMAS for file in snapshot.listing.packed(name)}
    return counting | set(snapshot.listing.damaged)


def _small_files(snapshot: Snapshot, runs: set[str]) -> list[Path]:
    return [file for name in SCHEMAS for file in snapshot.listing.files(name) if _run_of(file) in runs]


def _run_of(file: Path) -> str:
    return file.stem if file.parent.name == "runs" else file.parent.name


def _step_of(file: Path) -> int:
    return 0 if file.parent.name == "runs" else int(file.stem)


def _is_later(file: Path) -> bool:
    return is_chunk(file) and chunk_steps(file)[0] > 0


def _stamps(files: Iterable[Path]) -> dict[Path, object]:
    """What changes when a file is written anew; of those that are gone nothing."""
    found: dict[Path, object] = {}
    for file in files:
        try:
            stat = file.stat() if is_local(file) else None
        except FileNotFoundError:
            continue
        found[file] = (stat.st_mtime_ns, stat.st_size, stat.st_ino) if stat else None
    return found
