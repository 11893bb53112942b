"""Packed files, `packed/TABLE-DIGEST.parquet`: many finished runs in one file, sorted by run_id, read like small files.

A packed file never changes: its name is the digest of its content, and its footer lists its runs with their number of
rows and the packed files that it replaces, which are as good as gone from the moment it appears. A run counts as packed
while a packed row names it: what other packed files hold of a run without one is passed over.
"""

from __future__ import annotations

import hashlib
import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sweeps.storage.filesystems import files_below, is_local, raise_unless_damaged
from sweeps.storage.schemas import MEASURE_SCHEMA, RUN_SCHEMA, TRAJECTORY_SCHEMA, parquet_bytes

SCHEMAS = {"runs": RUN_SCHEMA, "trajectories": TRAJECTORY_SCHEMA, "measures": MEASURE_SCHEMA}
ORDER = {"runs": ["run_id"], "trajectories": ["run_id", "step"], "measures": ["run_id", "step", "name", "subject"]}
MARKER = "packed.parquet"  # in runs/, a row of PACKED_VERSION: versions that know no packed files refuse the store
KEY = b"packed"
GROUP_ROWS = 1 << 17
ATTEMPTS = 3  # to list packed files while others are packing
_NAME = re.compile(rf"({'|'.join(SCHEMAS)})-[0-9a-f]{{16}}\.parquet")


@dataclass(frozen=True, eq=False)
class PackedFile:
    """`runs`: run_id -> its first row and how many it has, in order; `steps`: of measures, run_id -> the steps at which
    it was measured; `replaces`: names of packed files."""

    path: Path
    runs: Mapping[str, tuple[int, int]] = field(repr=False)
    steps: Mapping[str, list[int]] = field(repr=False)
    replaces: frozenset[str] = frozenset()

    @property
    def table(self) -> str:
        return self.path.name.partition("-")[0]

    @property
    def rows(self) -> int:
        return sum(count for _, count in self.runs.values())

    def open(self, verify: bool = False) -> pq.ParquetFile:
        """Raises ArrowException or OSError where it cannot be read."""
        source = self.path if is_local(self.path) else self.path.open("rb")
        return pq.ParquetFile(source, page_checksum_verification=verify, pre_buffer=True)

    def read(self, columns: Sequence[str] | None = None, verify: bool = False) -> pa.Table:
        """All rows, with the columns of today's schema: null where the file has none yet."""
        schema = self._schema(columns)
        with self.open(verify) as file:
            return as_schema(file.read([name for name in schema.names if name in file.schema_arrow.names]), schema)

    def _schema(self, columns: Sequence[str] | None) -> pa.Schema:
        return pa.schema([SCHEMAS[self.table].field(name) for name in columns or SCHEMAS[self.table].names])

    def tables(self, runs: Set[str], columns: Sequence[str] | None = None) -> Iterator[tuple[str, pa.Table]]:
        """The rows of each of `runs` that it holds, in order, a few row groups in memory at a time."""
        schema = self._schema(columns)
        spans = [(run, *span) for run, span in self.runs.items() if run in runs]
        if not spans:
            return
        with self.open() as file:
            there = [name for name in schema.names if name in file.schema_arrow.names]
            starts = [0, *accumulate(file.metadata.row_group(i).num_rows for i in range(file.num_row_groups))]
            held: dict[int, pa.Table] = {}
            for run, first, count in spans:
                groups = range(bisect_right(starts, first) - 1, bisect_right(starts, max(first, first + count - 1)))
                held = {i: held.get(i) or file.read_row_group(i, there) for i in groups}
                rows = pa.concat_tables(held[i] for i in groups).slice(first - starts[groups[0]], count)
                yield run, as_schema(rows, schema)


def as_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of `schema`, null where a table has none."""
    if table.schema.equals(schema):
        return table
    arrays = [
        table[one.name].cast(one.type) if one.name in table.column_names else pa.nulls(len(table), one.type)
        for one in schema
    ]
    return pa.table(arrays, schema=schema)


def pack(name: str, table: pa.Table, replaces: Set[str] = frozenset()) -> tuple[str, bytes]:
    """Name and content of the packed file of a table's rows, which get in order here."""
    table = table.sort_by([(column, "ascending") for column in ORDER[name]])
    about: dict[str, Any] = {"replaces": sorted(replaces), "runs": _counts(table["run_id"])}
    if name == "measures":
        about["steps"] = _steps(table)
    marked = table.replace_schema_metadata({KEY: json.dumps(about, separators=(",", ":"))})
    content = parquet_bytes(marked, GROUP_ROWS)
    return f"{name}-{hashlib.sha256(content).hexdigest()[:16]}.parquet", content


def _counts(run_ids: pa.ChunkedArray) -> dict[str, int]:
    runs = pc.run_end_encode(run_ids.combine_chunks())
    lengths = [0, *runs.run_ends.to_pylist()]
    return {run: end - begin for run, begin, end in zip(runs.values.to_pylist(), lengths, lengths[1:], strict=False)}


def _steps(table: pa.Table) -> dict[str, list[int]]:
    found: dict[str, dict[int, None]] = {}
    for run, step in zip(table["run_id"].to_pylist(), table["step"].to_pylist(), strict=True):
        found.setdefault(run, {})[step] = None
    return {run: list(steps) for run, steps in found.items()}


_INDEX: dict[str, PackedFile] = {}  # by path; what a packed file holds never changes


def packed_files(root: Path, damaged: list[Path] | None = None) -> dict[str, list[PackedFile]]:
    """The packed files of a store that count, by table, in order. Those whose footer is damaged are added to `damaged`.
    Raises as `raise_unless_damaged`."""
    for attempt in range(ATTEMPTS):
        try:
            return _in_force(root, [] if damaged is None else damaged)
        except FileNotFoundError:  # replaced since it was listed
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


def _in_force(root: Path, damaged: list[Path]) -> dict[str, list[PackedFile]]:
    every, bad = [], []
    for path in packed_paths(root):
        try:
            every.append(_indexed(path))
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise_unless_damaged(error, path)
            bad.append(path)
    damaged += bad
    gone = {name for file in every for name in file.replaces}
    counting = [file for file in every if file.path.name not in gone]
    return {table: [file for file in counting if file.table == table] for table in SCHEMAS}


def packed_paths(root: Path) -> list[Path]:
    """Every packed file that lies in a store, replaced ones too."""
    folder = root / "packed"
    return [folder / name for (name,) in files_below(folder) if _NAME.fullmatch(name)]


def _indexed(path: Path) -> PackedFile:
    key = str(path)
    if key not in _INDEX:
        with PackedFile(path, {}, {}).open() as file:
            about = json.loads((file.schema_arrow.metadata or {})[KEY])
        ends = list(accumulate(about["runs"].values()))
        spans = {run: (end - count, count) for (run, count), end in zip(about["runs"].items(), ends, strict=True)}
        _INDEX[key] = PackedFile(path, spans, about.get("steps", {}), frozenset(about["replaces"]))
    return _INDEX[key]
