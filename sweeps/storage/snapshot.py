"""A store as it is at one moment, for what looks at many runs: each folder listed once, each file read once.

What a run has in small files wins over what is packed of it: its row, its trajectory as a whole, and its measures step
by step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from sweeps.cli.errors import UserError
from sweeps.storage.chunks import chunk_steps
from sweeps.storage.decisions import paused_steps
from sweeps.storage.filesystems import is_local, raise_unless_damaged, read_files, to_path
from sweeps.storage.listing import Listing
from sweeps.storage.packing.packed import SCHEMAS, PackedFile, as_schema
from sweeps.storage.run_status import RunStatus
from sweeps.storage.schemas import SCHEMA_VERSION

TOGETHER = 400  # small files of a URL in memory at a time
A_TASK = 20  # of a thread
READERS = 4  # threads that parse small files
T = TypeVar("T")
Row = dict[str, Any]


class Snapshot:
    """The runs of the store at `root` when something is first asked for. Raises UserError, from any of its methods,
    for rows of a newer schema and for packed files that are damaged: launching again would train all of their runs."""

    def __init__(self, root: str | Path) -> None:
        self.listing = Listing(to_path(root))
        self.damaged: list[Path] = []  # files of rows that cannot be read, once `rows` has been called

    def rows(self, *columns: str) -> dict[str, Row]:
        """run_id -> row, with these columns or all, of each run that has ended; damaged ones are left out."""
        wanted = list(dict.fromkeys(["run_id", "schema_version", *(columns or SCHEMAS["runs"].names)]))
        files, found = self.listing.rows, dict[str, Row]()
        for file in self._packed("runs"):
            over = self.listing.overridden(file)
            rows = _guarded(file, lambda file=file: file.read(wanted, verify=True)).to_pylist()  # type: ignore[misc]
            found |= {row["run_id"]: row for row in rows if row["run_id"] not in over}
        self.damaged = []
        for path, table in read_small(list(files.values()), "runs", wanted):
            row = None if table is None else only_row(table, path)
            if row is None:
                self.damaged.append(path)
            else:
                found[path.stem] = row
        return {run: found[run] for run in sorted(found)}

    def ended(self) -> set[str]:
        """run_ids of the runs that have a row, which is not read."""
        return set(self.listing.rows).union(*(file.runs for file in self._packed("runs")))

    def statuses(self) -> dict[str, str]:
        """run_id -> status of each run that has ended."""
        return {run: row["status"] for run, row in self.rows("status").items()}

    def steps_stored(self, run_id: str) -> int:
        """Number of steps in a run's trajectory."""
        if chunks := self.listing.chunks.get(run_id):
            return sum(last - first + 1 for first, last in map(chunk_steps, chunks))
        file = self.listing.packed_at("trajectories").get(run_id)
        return file.runs[run_id][1] if file else 0

    def checkpointed_step(self, run_id: str) -> int:
        """Steps taken before a run's newest checkpoint; 0 where there is none."""
        return max((int(file.stem) for file in self.listing.checkpoints.get(run_id, [])), default=0)

    def idle_status(self, run_id: str, steps: int) -> RunStatus:
        """How a run of so many steps stands that has not ended and that nobody trains."""
        step = max(self.steps_stored(run_id), self.checkpointed_step(run_id))
        if step in paused_steps(self.listing.decisions.get(run_id, ()), steps):
            return RunStatus.PAUSED
        return RunStatus.BEGUN if step else RunStatus.WAITING

    def has_weights(self, run_id: str) -> bool:
        """Whether anything was kept of a finished run."""
        return run_id in self.listing.weights

    def trajectories(self, runs: Set[str], columns: Sequence[str]) -> Iterator[tuple[str, pa.Table]]:
        """Each of `runs` that has a trajectory, with these columns of all its steps, in no order of runs. Raises
        ArrowException or OSError where a chunk cannot be read."""
        chunks = {run: files for run, files in self.listing.chunks.items() if run in runs}
        files = self._packed("trajectories")
        return read_trajectories(
            chunks, {file: runs & (set(file.runs) - self.listing.overridden(file)) for file in files}, columns
        )

    def read_measures(self, run_id: str, step: int) -> list[Row]:
        """Rows of what was measured of a run after `step` steps; none where that cannot be read."""
        return self._measures.get((run_id, step), [])

    @cached_property
    def _measures(self) -> dict[tuple[str, int], list[Row]]:
        found: dict[tuple[str, int], list[Row]] = {}
        for file in self._packed("measures"):
            over = self.listing.overridden(file)
            for row in _guarded(file, file.read).to_pylist():
                if (row["run_id"], row["step"]) not in over:
                    found.setdefault((row["run_id"], row["step"]), []).append(row)
        for path, table in read_small(self.listing.files("measures"), "measures", None):
            found[path.parent.name, int(path.stem)] = [] if table is None else table.to_pylist()
        return found

    def _packed(self, table: str) -> list[PackedFile]:
        files = self.listing.packed(table)
        if self.listing.damaged:
            raise damaged_packed(self.listing.damaged[0])
        return files


def _guarded(file: PackedFile, read: Callable[[], T]) -> T:
    try:
        return read()
    except (pa.ArrowException, OSError) as error:
        raise_unless_damaged(error, file.path)
        raise damaged_packed(file.path) from error


def damaged_packed(path: Path) -> UserError:
    """What a person is told of a packed file that cannot be read."""
    root = path.parent.parent
    return UserError(f"{path} is damaged; save what can be read of its runs: python sweeps/store.py check {root}")


def read_trajectories(
    chunks: Mapping[str, Sequence[Path]], packed: Mapping[PackedFile, Set[str]], columns: Sequence[str]
) -> Iterator[tuple[str, pa.Table]]:
    """Runs with `columns` of their steps: those of packed files, a few row groups in memory at a time, and those in
    chunks. Raises FileNotFoundError where a file is gone, ArrowException or OSError where one cannot be read."""
    for file, runs in packed.items():
        yield from file.tables(runs, columns)
    tables = dict[str, list[pa.Table]]()
    for path, table in read_small([file for files in chunks.values() for file in files], "trajectories", columns):
        if table is None:
            raise OSError(f"{path} cannot be read") if path.exists() else FileNotFoundError(path)
        run = path.parent.name
        tables.setdefault(run, []).append(table)
        if len(tables[run]) == len(chunks[run]):
            yield run, pa.concat_tables(tables.pop(run))


def read_small(
    files: Sequence[Path], name: str, columns: Sequence[str] | None
) -> Iterator[tuple[Path, pa.Table | None]]:
    """Each small file of the store's table `name` with `columns` of its rows, or all; None where it is damaged or
    gone. Those of a URL are fetched together. Raises as `raise_unless_damaged`."""
    schema = pa.schema([SCHEMAS[name].field(column) for column in columns or SCHEMAS[name].names])
    with ThreadPoolExecutor(READERS) as pool:
        for first in range(0, len(files), TOGETHER):
            part = files[first : first + TOGETHER]
            sources = [str(file) for file in part] if is_local(part[0]) else read_files(part)
            shares = [sources[i : i + A_TASK] for i in range(0, len(sources), A_TASK)]
            parsed = pool.map(lambda share: [_parsed(source, schema) for source in share], shares)
            yield from zip(part, chain.from_iterable(parsed), strict=True)


def _parsed(source: str | bytes | None, schema: pa.Schema) -> pa.Table | None:
    if source is None:
        return None
    try:
        content = source if isinstance(source, bytes) else Path(source).read_bytes()  # a third faster than by its name
        with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True) as file:
            return as_schema(file.read(schema.names, use_threads=False), schema)  # of columns that there are
    except (pa.ArrowException, OSError) as error:
        if isinstance(source, str):
            raise_unless_damaged(error, Path(source))
        return None


def only_row(table: pa.Table, file: Path) -> Row | None:
    """The row of a run's file; None where it is no row of that run. Raises UserError for a newer schema."""
    rows: list[Row] = table.to_pylist()
    version = rows[0].get("schema_version") if rows else None
    if len(rows) != 1 or rows[0].get("run_id") != file.stem or not isinstance(version, int):
        return None
    if version > SCHEMA_VERSION:
        raise UserError(f"{file} has schema_version {version}; this code reads up to {SCHEMA_VERSION}: update it")
    return rows[0]
