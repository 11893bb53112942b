"""What is wrong in a store, and repairing what can be repaired safely.

Nothing that could be of use is deleted: it is moved to `damaged/`. A run that has not finished is judged by what its
next attempt needs, and a cell that somebody is training is left alone.
"""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweeps.storage.checkpoints import checkpoint_files, checkpoint_payload
from sweeps.storage.chunks import chunk_files, chunk_steps, is_chunk, visible_chunks
from sweeps.storage.decisions import decision_files, read_decisions
from sweeps.storage.filesystems import modified, read_table, read_undamaged
from sweeps.storage.listing import is_run_file
from sweeps.storage.packing.fsck_packed import LEFT, Finding, examine_packed
from sweeps.storage.packing.packed import MARKER, packed_paths
from sweeps.storage.run_status import RunStatus
from sweeps.storage.schemas import MEASURE_SCHEMA, RUN_SCHEMA, TRAJECTORY_SCHEMA, of_schema
from sweeps.storage.sweep_store import Store, read_run_row
from sweeps.storage.weight_files import KINDS, REST, label_of

LEFTOVER_SECONDS = 3600.0  # a temporary file this old belongs to nobody
FOLDERS = ("trajectories", "checkpoints", "measures")  # with a folder for each run


def examine(store: Store, repair: bool, track: Callable[[Sequence[str]], Iterable[str]] = iter) -> Iterator[Finding]:
    """What is wrong in a store. With `repair`: leftovers are removed; damaged files are quarantined, and so is what
    makes a run unreliable, whose cell the next launch then trains again. `track` may show progress."""
    yield from _leftovers(store, repair)
    yield from _foreign(store)
    yield from examine_packed(store, repair)
    for file in decision_files(store.root):
        if read_decisions(file) is None:
            if repair:
                store.quarantine(file)
            yield Finding(file, "decision cannot be read", "quarantined" if repair else LEFT)
    if store.cells_damaged():
        yield Finding(
            store.root / "cells.parquet", "cells of the last launch cannot be read", "the next launch writes them anew"
        )
    leased = {run_id for run_id in _run_ids(store) if store.lease(run_id, "").held()}
    for run_id in leased:
        yield Finding(store.lease(run_id, "").file, "is being trained", "not checked", wrong=False)
    for run_id in track(sorted(_run_ids(store) - leased)):
        yield from _Run(store, run_id, repair).examine()


def _run_ids(store: Store) -> set[str]:
    """Every run that has left anything."""
    rows = set(store.snapshot().listing.rows)
    weights = {file.stem for kind in KINDS for file in (store.root / "weights").glob(f"*{kind}")}
    folders = {path.name for kind in FOLDERS for path in (store.root / kind).glob("*") if path.is_dir()}
    return rows | {name for name in weights | folders if _is_run_id(name)}


def _is_run_id(name: str) -> bool:
    return is_run_file(Path(f"{name}.parquet"))


def _leftovers(store: Store, repair: bool) -> Iterator[Finding]:
    for file in sorted(store.root.rglob(".*.tmp")):
        if time.time() - modified(file) > LEFTOVER_SECONDS:
            if repair:
                file.unlink()
            yield Finding(file, "temporary file of a process that died", "removed" if repair else LEFT)


def _foreign(store: Store) -> Iterator[Finding]:
    """Files that the store did not write, such as copies that a file synchronizer made; every reader passes them by."""
    strangers = [file for file in (store.root / "runs").glob("*") if not is_run_file(file) and file.name != MARKER]
    strangers += set((store.root / "packed").glob("*")) - set(packed_paths(store.root))
    strangers += [path for kind in FOLDERS for path in (store.root / kind).glob("*") if not _is_run_id(path.name)]
    strangers += [file for file in (store.root / "trajectories").glob("*/*") if not is_chunk(file)]
    strangers = [path for path in strangers if _is_run_id(path.parent.name) or path.parent.name in (*FOLDERS, "packed")]
    for folder in (store.root / "checkpoints").glob("*"):
        strangers += set(folder.glob("*.ckpt")) - set(checkpoint_files(folder))
    for file in sorted(strangers):
        if not file.name.startswith("."):
            yield Finding(file, "is not a file of this store", "passed over", wrong=False)


@dataclass
class _Run:
    """The files of one run that nobody is training."""

    store: Store
    run_id: str
    repair: bool

    def examine(self) -> Iterator[Finding]:
        row_file = self.store.root / "runs" / f"{self.run_id}.parquet"
        row = read_run_row(row_file) if row_file.exists() else None
        if row_file.exists() and row is None:
            yield self._aside(row_file, "row cannot be read", "quarantined, its cell will be run again")
        elif row is not None and not of_schema(read_table(row_file), RUN_SCHEMA):
            yield Finding(row_file, "columns are not those of this version", LEFT)
        yield from self._trajectory(row_file, row)
        yield from self._measures_and_weights()

    def _trajectory(self, row_file: Path, row: dict[str, object] | None) -> Iterator[Finding]:
        folder = self.store.root / "trajectories" / self.run_id
        good = []
        for file in chunk_files(folder):
            if problem := _chunk_problem(file, self.run_id):
                yield self._aside(file, problem)
            else:
                good.append(file)
        visible = visible_chunks(good)
        reached, gap = _first_steps(visible)
        if gap:
            yield Finding(folder, gap, "see below")
        finished = row is not None and row["status"] == RunStatus.FINISHED
        packed = None if good else self.store.packed_steps(self.run_id)
        if row is not None and finished and row["steps"] != (reached if packed is None else packed):
            what = f"holds steps up to {reached}, the row of the finished run says {row['steps']}"
            yield Finding(folder, what, "see below")
            yield self._aside(row_file, "trajectory is not whole", "its row is quarantined, its cell will be run again")
        for file in checkpoint_files(self.store.root / "checkpoints" / self.run_id):
            if checkpoint_payload(file) is None:
                yield self._aside(file, "checkpoint is damaged")
            elif gap and int(file.stem) > reached:
                yield self._aside(file, f"goes on after step {reached}, from which on steps are missing")
        if not gap:
            for file in sorted(set(good) - set(visible)):
                if self.repair:
                    file.unlink()
                yield Finding(file, "its steps stand in a longer chunk too", "removed" if self.repair else LEFT)

    def _measures_and_weights(self) -> Iterator[Finding]:
        """A launch measures again what is quarantined here, where the weights are whole."""
        for file in self.store.measure_files(self.run_id):
            table = read_undamaged(file, page_checksum_verification=True)
            if table is None or not of_schema(table, MEASURE_SCHEMA):
                yield self._aside(file, "measures cannot be read")
        for kind in KINDS:
            weights = self.store.root / "weights" / f"{self.run_id}{kind}"
            if weights.exists() and not (_whole_archive(weights) if kind == REST else label_of(weights.read_bytes())):
                yield self._aside(weights, "weights are damaged")

    def _aside(self, file: Path, problem: str, remedy: str = "quarantined") -> Finding:
        if self.repair:
            self.store.quarantine(file)
        return Finding(file, problem, remedy if self.repair else LEFT)


def _first_steps(files: list[Path]) -> tuple[int, str]:
    """How many steps stand once each from the first on, and what is wrong after them."""
    reached = 0
    for first, last in map(chunk_steps, files):
        if first > reached:
            return reached, f"steps {reached}..{first - 1} are missing"
        if first < reached:
            return first, f"steps {first}..{reached - 1} stand twice"
        reached = last + 1
    return reached, ""


def _chunk_problem(file: Path, run_id: str) -> str:
    table = read_undamaged(file, page_checksum_verification=True)
    if table is None:
        return "chunk cannot be read"
    if not table.schema.equals(TRAJECTORY_SCHEMA):
        return "columns are not those of this version"
    first, last = chunk_steps(file)
    if table["step"].to_pylist() != list(range(first, last + 1)) or set(table["run_id"].to_pylist()) != {run_id}:
        return "steps or run_id are not those of its name"
    return ""


def _whole_archive(file: Path) -> bool:
    """Whether a zip file's checksums hold, as those of torch.save do."""
    try:
        return zipfile.ZipFile(io.BytesIO(file.read_bytes())).testzip() is None
    except zipfile.BadZipFile:
        return False
