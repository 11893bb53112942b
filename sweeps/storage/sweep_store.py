"""The result store, `results/NAME/`: the truth about a sweep, in parquet files that appear whole or not at all.

    grid.yaml, cells.parquet             what was launched last, and its cells with every default filled in
    runs/RUN_ID.parquet                  one row: spec, status, outcome, cost, provenance
    trajectories/RUN_ID/STEPS.parquet    a chunk of consecutive steps, named by them
    measures/RUN_ID/STEP.parquet         what was measured of a run after so many steps, a row a number
    checkpoints/RUN_ID/STEP.ckpt         the newest two of an unfinished run
    weights/RUN_ID.safetensors, .pt      what is kept of a finished run: its network; what a longer run needs
    logs/RUN_ID.txt                      the traceback of a run's last failure
    leases/RUN_ID.json                   who is training a cell now
    packed/TABLE-DIGEST.parquet          rows, trajectories and measures of many finished runs (see `compaction`)
    decisions/RUN_ID-RUNG.parquet        why an adaptive sweep trained a run so far (see `decisions`)
    damaged/...                          files that could not be read, quarantined

What a run has in small files wins over what is packed of it.

One writer per run. Each file is written under a temporary name in its folder, synced, then renamed. A chunk is
written before the checkpoint that follows it, so a replay after a crash overwrites it with the same bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sweeps.storage import checkpoints
from sweeps.storage.chunks import chunk_files, chunk_name, chunk_steps, visible_chunks
from sweeps.storage.filesystems import (
    files_below,
    move,
    read_table,
    read_undamaged,
    remove_tree,
    to_path,
    write_atomically,
)
from sweeps.storage.leases import Lease
from sweeps.storage.packing.packed import PackedFile, packed_files
from sweeps.storage.schemas import (
    CELL_SCHEMA,
    MEASURE_SCHEMA,
    RUN_SCHEMA,
    TRAJECTORY_SCHEMA,
    parquet_bytes,
)
from sweeps.storage.snapshot import Snapshot, damaged_packed, only_row
from sweeps.storage.weight_files import KINDS, NETWORK

if TYPE_CHECKING:
    import pandas as pd  # plans do without it

log = logging.getLogger(__name__)


class Store:
    """The store of one sweep at `root`, a folder or a URL; folders are made when something is written."""

    def __init__(self, root: str | Path) -> None:
        self.root = to_path(root)

    def write_grid(self, text: str) -> None:
        """Keep the grid file that is being launched."""
        write_atomically(self.root / "grid.yaml", text.encode())

    def write_cells(self, rows: list[dict[str, Any]]) -> None:
        """Keep the cells of the grid that is being launched, in its order: rows of CELL_SCHEMA."""
        write_atomically(self.root / "cells.parquet", parquet_bytes(pa.Table.from_pylist(rows, CELL_SCHEMA)))

    def read_cells(self) -> list[dict[str, Any]]:
        """The cells of the grid that was launched last; none where they are absent or damaged."""
        table = read_undamaged(self.root / "cells.parquet")
        return [] if table is None else table.to_pylist()

    def cells_damaged(self) -> bool:
        """Whether there is a table of cells that is damaged."""
        return (self.root / "cells.parquet").exists() and not self.read_cells()

    def write_log(self, run_id: str, text: str) -> None:
        """Keep what there is to read about a run's failure."""
        write_atomically(self.log_file(run_id), text.encode())

    def log_file(self, run_id: str) -> Path:
        """Where `write_log` keeps it."""
        return self.root / "logs" / f"{run_id}.txt"

    def write_run(self, row: dict[str, Any]) -> None:
        """The one row of a run that has ended; columns that are absent become null."""
        table = pa.Table.from_pylist([{name: row.get(name) for name in RUN_SCHEMA.names}], RUN_SCHEMA)
        write_atomically(self.root / "runs" / f"{row['run_id']}.parquet", parquet_bytes(table))

    def launched(self) -> bool:
        """Whether the folder has the grid that every launch keeps in it before it trains."""
        return (self.root / "grid.yaml").exists()

    def drop_row(self, run_id: str) -> None:
        """Forget how an attempt at a run ended that has not finished."""
        (self.root / "runs" / f"{run_id}.parquet").unlink(missing_ok=True)

    def snapshot(self) -> Snapshot:
        """What is in the store now, for what looks at many runs."""
        return Snapshot(self.root)

    def statuses(self) -> dict[str, str]:
        """run_id -> status of each run that has ended; damaged rows are left out."""
        return self.snapshot().statuses()

    def quarantine(self, file: Path) -> Path:
        """Move a damaged file to the same place under `damaged/`."""
        return move(file, self.root / "damaged" / file.relative_to(self.root))

    def rows(self) -> list[dict[str, Any]]:
        """The row of each run that has ended; damaged ones are left out."""
        return list(self.snapshot().rows().values())

    def status(self, run_id: str) -> str | None:
        """How a run has ended; None where it has not."""
        row = self._row(run_id)
        return row["status"] if row else None

    def read_run(self, run_id: str) -> dict[str, Any]:
        """The row of a run that has ended. Raises FileNotFoundError where it has not."""
        if (row := self._row(run_id)) is None:
            raise FileNotFoundError(f"{self.root} has no run {run_id} that has ended")
        return row

    def _row(self, run_id: str) -> dict[str, Any] | None:
        path = self.root / "runs" / f"{run_id}.parquet"
        if path.exists() and (row := read_run_row(path)) is not None:
            return row
        return next(iter(self._packed_rows("runs", run_id)), None)  # it may have been packed just now

    def _packed_rows(self, table: str, run_id: str) -> list[dict[str, Any]]:
        packed = self._packed(table, run_id)
        return [row for _, rows in packed.tables({run_id}) for row in rows.to_pylist()] if packed else []

    def packed_steps(self, run_id: str) -> int | None:
        """How many steps are packed of a run's trajectory; None where none are."""
        packed = self._packed("trajectories", run_id)
        return packed.runs[run_id][1] if packed else None

    def _packed(self, table: str, run_id: str) -> PackedFile | None:
        """The packed file that holds a run's rows of a table; None where its row is not packed. Raises UserError where
        a packed file is damaged."""
        damaged: list[Path] = []
        files = packed_files(self.root, damaged)
        if damaged:
            raise damaged_packed(damaged[0])
        if not any(run_id in file.runs for file in files["runs"]):
            return None
        return next((file for file in files[table] if run_id in file.runs), None)

    def write_chunk(self, run_id: str, step_first: int, step_last: int, columns: dict[str, Any]) -> None:
        """Consecutive steps step_first..step_last of a run's trajectory, a value per step in each column."""
        table = pa.table({"run_id": [run_id] * (step_last - step_first + 1), **columns}, schema=TRAJECTORY_SCHEMA)
        path = self.root / "trajectories" / run_id / chunk_name(step_first, step_last)
        write_atomically(path, parquet_bytes(table))
        log.info("steps %d to %d of run %s written", step_first, step_last, run_id)

    def drop_shorter_chunks(self, run_id: str, step_first: int, step_last: int) -> None:
        """Remove the chunks of a run whose steps stand in the chunk of these steps too."""
        folder = self.root / "trajectories" / run_id
        for file in chunk_files(folder):
            first, last = chunk_steps(file)
            if step_first <= first and last <= step_last and (first, last) != (step_first, step_last):
                file.unlink()

    def read_trajectory(self, run_id: str) -> pd.DataFrame:
        """All steps of one run, in order."""
        chunks, packed = self._trajectory(run_id)
        tables = [read_table(file, schema=TRAJECTORY_SCHEMA) for file in chunks]
        if packed:
            tables = [table for _, table in packed.tables({run_id})]
        return pa.concat_tables(tables or [TRAJECTORY_SCHEMA.empty_table()]).to_pandas()

    def chunks(self, run_id: str) -> list[Path]:
        """The chunks of a run's trajectory in order, each step in one of them, none where it is packed: a chunk whose
        steps all stand in a longer one is what compaction was about to delete."""
        return visible_chunks(chunk_files(self.root / "trajectories" / run_id))

    def steps_stored(self, run_id: str) -> int:
        """Number of steps in a run's trajectory."""
        chunks, packed = self._trajectory(run_id)
        return packed.runs[run_id][1] if packed else sum(last - first + 1 for first, last in map(chunk_steps, chunks))

    def _trajectory(self, run_id: str) -> tuple[list[Path], PackedFile | None]:
        """The chunks of a run, or the packed file that holds its trajectory where no chunk begins it."""
        chunks = self.chunks(run_id)
        begun = chunks and chunk_steps(chunks[0])[0] == 0
        return chunks, None if begun else self._packed("trajectories", run_id)

    def write_measures(self, run_id: str, step: int, rows: list[dict[str, Any]]) -> None:
        """What was measured of a run after `step` steps: rows of MEASURE_SCHEMA but for run_id and step. Measures of
        that step which are not among `rows` stay."""
        path = self.root / "measures" / run_id / f"{step:08d}.parquet"
        new = {(row["name"], row["subject"]) for row in rows}
        earlier = [row for row in self.read_measures(run_id, step) if (row["name"], row["subject"]) not in new]
        complete = [*earlier, *({"run_id": run_id, "step": step, **row} for row in rows)]
        write_atomically(path, parquet_bytes(pa.Table.from_pylist(complete, MEASURE_SCHEMA)))

    def read_measures(self, run_id: str, step: int) -> list[dict[str, Any]]:
        """Rows of what was measured of a run after `step` steps; none where that is damaged."""
        path = self.root / "measures" / run_id / f"{step:08d}.parquet"
        table = read_undamaged(path)
        if table is not None or path.exists():
            return [] if table is None else table.to_pylist()
        return [row for row in self._packed_rows("measures", run_id) if row["step"] == step]

    def measured_steps(self, run_id: str) -> list[int]:
        """Numbers of steps after which a run was measured."""
        packed = self._packed("measures", run_id)
        found = {int(file.stem) for file in self.measure_files(run_id)}
        return sorted(found | set(packed.steps[run_id] if packed else ()))

    def measure_files(self, run_id: str) -> list[Path]:
        """What was measured of a run and is not packed, a file for each number of steps."""
        folder = self.root / "measures" / run_id
        return [folder / name for (name,) in files_below(folder) if name[0].isdigit() and name.endswith(".parquet")]

    def write_weights(self, run_id: str, payload: bytes, kind: str = NETWORK) -> None:
        """Keep a finished run's network, or another of the `weight_files.KINDS` of files."""
        write_atomically(self.root / "weights" / f"{run_id}{kind}", payload)

    def read_weights(self, run_id: str, kind: str = NETWORK) -> bytes | None:
        """What was kept of a finished run in a file of that kind; None where nothing was."""
        path = self.root / "weights" / f"{run_id}{kind}"
        return path.read_bytes() if path.exists() else None

    def has_weights(self, run_id: str) -> bool:
        """Whether anything was kept of a finished run."""
        return any((self.root / "weights" / f"{run_id}{kind}").exists() for kind in KINDS)

    def copy_weights(self, run_id: str, other: Store) -> None:
        """Take a copy of all that `other` kept of a finished run."""
        for kind in KINDS:
            if (payload := other.read_weights(run_id, kind)) is not None:
                self.write_weights(run_id, payload, kind)

    def lease(self, run_id: str, launch: str) -> Lease:
        """The lease that a process of `launch` takes before it writes anything of a run."""
        return Lease(self.root / "leases" / f"{run_id}.json", launch)

    def write_checkpoint(self, run_id: str, step: int, payload: bytes, *, alone: bool = False) -> None:
        """Keep `payload` as the checkpoint of a run after `step` steps, and the one before it unless `alone`."""
        kept = 1 if alone else checkpoints.KEPT_CHECKPOINTS
        checkpoints.write_checkpoint(self._checkpoints(run_id), step, payload, kept)

    def read_checkpoints(self, run_id: str) -> Iterator[tuple[str, bytes | None]]:
        """Name and payload of a run's checkpoints, newest first; None for one that is damaged."""
        return checkpoints.read_checkpoints(self._checkpoints(run_id))

    def checkpointed_step(self, run_id: str) -> int:
        """Steps taken before a run's newest checkpoint; 0 where there is none."""
        return checkpoints.checkpointed_step(self._checkpoints(run_id))

    def write_note(self, run_id: str, name: str, text: str) -> None:
        """A remark for the next attempt at a run, beside its checkpoints, that goes with them."""
        write_atomically(self._checkpoints(run_id) / name, text.encode())

    def read_note(self, run_id: str, name: str) -> str:
        """A remark of an earlier attempt; empty where there is none."""
        path = self._checkpoints(run_id) / name
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def drop_checkpoints(self, run_id: str) -> None:
        """Forget a run's checkpoints."""
        remove_tree(self._checkpoints(run_id))

    def drop_trajectory(self, run_id: str) -> None:
        """Forget what an earlier attempt at a run left, its measures too, before it starts from nothing. Of a run whose
        row is not packed, what else is packed does not count."""
        remove_tree(self.root / "trajectories" / run_id)
        remove_tree(self.root / "measures" / run_id)

    def _checkpoints(self, run_id: str) -> Path:
        return self.root / "checkpoints" / run_id


def read_run_row(file: Path) -> dict[str, Any] | None:
    """The row of a run's file; None where it is damaged. Raises UserError for a newer schema."""
    table = read_undamaged(file, page_checksum_verification=True)
    return None if table is None else only_row(table, file)
