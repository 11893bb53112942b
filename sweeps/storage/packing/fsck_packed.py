"""What is wrong in packed files, and saving what can be read of them.

Of a damaged file the runs that are whole are packed anew before it is moved to `damaged/`. A finished run of which rows
are lost no longer counts as packed, so that the next launch trains it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from sweeps.storage.filesystems import raise_unless_damaged
from sweeps.storage.packing.compaction import forget_packed, packing, write_packed
from sweeps.storage.packing.packed import SCHEMAS, PackedFile, as_schema, packed_files
from sweeps.storage.sweep_store import Store

LEFT = "left as it is"


@dataclass(frozen=True)
class Finding:
    """Something about a file, what was done about it, and whether it is wrong."""

    file: Path
    problem: str
    remedy: str
    wrong: bool = True


def examine_packed(store: Store, repair: bool) -> Iterator[Finding]:
    """What is wrong in the packed files that count. With `repair`: damaged ones are quarantined, but for the runs in
    them that are whole, and so are rows of runs whose trajectory is not."""
    damaged: list[Path] = []
    files = packed_files(store.root, damaged)
    for path in damaged:
        if repair:
            store.quarantine(path)
        yield Finding(path, "packed file cannot be read", "quarantined" if repair else LEFT)
    for file in (file for table in files.values() for file in table):
        whole = _whole_runs(file)
        if lost := len(file.runs) - len(whole):
            if repair:
                _save(store, file, whole)
            remedy = f"quarantined, whole runs saved: {len(whole)}" if repair else LEFT
            yield Finding(file.path, f"damaged runs: {lost} of {len(file.runs)}", remedy)
    yield from _without_trajectory(store, repair)


def _without_trajectory(store: Store, repair: bool) -> Iterator[Finding]:
    snapshot = store.snapshot()
    if snapshot.listing.packed("runs") and snapshot.listing.damaged:
        return
    rows = snapshot.rows("steps")
    packed = set(snapshot.listing.packed_at("runs")) - set(snapshot.listing.rows)
    lacking = [run for run in sorted(packed) if snapshot.steps_stored(run) != rows[run]["steps"]]
    if lacking and repair:
        forget_packed(store, lacking)
    for run in lacking:
        what = f"packed row says {rows[run]['steps']} steps, the trajectory has {snapshot.steps_stored(run)}"
        remedy = "its row is taken out, its cell will be run again" if repair else LEFT
        yield Finding(snapshot.listing.packed_at("runs")[run].path, f"run {run}: {what}", remedy)


def _whole_runs(file: PackedFile) -> dict[str, pa.Table]:
    """The runs whose rows are all there and theirs, in row groups that can be read; nothing in memory where all are."""
    try:
        if _right(file, file.read(verify=True)):
            return dict.fromkeys(file.runs)
    except (pa.ArrowException, OSError) as error:  # what can be read is then looked for group by group
        raise_unless_damaged(error, file.path)
    found: dict[str, list[pa.Table]] = {}
    with file.open(verify=True) as opened:
        for group in range(opened.num_row_groups):
            try:
                table = as_schema(opened.read_row_group(group), SCHEMAS[file.table])
            except (pa.ArrowException, OSError) as error:
                raise_unless_damaged(error, file.path)
                continue
            for run in table["run_id"].unique().to_pylist():
                found.setdefault(run, []).append(table.filter(pa.compute.equal(table["run_id"], run)))
    tables = {run: pa.concat_tables(parts) for run, parts in found.items() if run in file.runs}
    return {run: table for run, table in tables.items() if len(table) == file.runs[run][1]}


def _right(file: PackedFile, table: pa.Table) -> bool:
    named = [run for run, (_, count) in file.runs.items() for _ in range(count)]
    return bool(table["run_id"].to_pylist() == named)


def _save(store: Store, file: PackedFile, whole: dict[str, pa.Table]) -> None:
    with packing(store):
        rows = pa.concat_tables([SCHEMAS[file.table].empty_table(), *whole.values()])
        write_packed(store, file.table, rows, {file.path.name})
        store.quarantine(file.path)
