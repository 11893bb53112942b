"""The result store, `results/NAME/`: the truth about a sweep, in parquet files that appear whole or not at all.

    grid.yaml                            what was launched last
    runs/RUN_ID.parquet                  one row: spec, status, outcome, cost, provenance
    trajectories/RUN_ID/STEPS.parquet    a chunk of consecutive steps, named by them
    checkpoints/RUN_ID/STEP.ckpt         the newest two of an unfinished run

One writer a run. Each file is written under a temporary name in its folder, synced, then renamed. A chunk is
written before the checkpoint that follows it, so a replay after a crash overwrites it with the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA_VERSION = 1
KEPT_CHECKPOINTS = 2

_TEXT, _INT, _FLOAT, _TIME = pa.string(), pa.int64(), pa.float64(), pa.timestamp("us", tz="UTC")
RUN_SCHEMA = pa.schema(
    [
        pa.field("run_id", _TEXT, nullable=False),
        pa.field("sweep", _TEXT, nullable=False),
        *(pa.field(name, _TEXT, nullable=False) for name in ("objective", "dataset", "encoder")),
        *(pa.field(name, _INT, nullable=False) for name in ("P", "D", "K", "seed")),
        pa.field("precision", _TEXT, nullable=False),
        ("steps", _INT),
        ("images", _INT),
        ("flops_per_step", _FLOAT),
        ("flops", _FLOAT),
        pa.field("status", _TEXT, nullable=False),
        ("error", _TEXT),
        *((name, _FLOAT) for name in ("percent_error", "heldout_percent_error", "heldout_percent_error_std")),
        *((name, _FLOAT) for name in ("probe_accuracy", "reconstruction", "uniformity")),
        *((name, _FLOAT) for name in ("wall_seconds", "images_per_second")),
        ("peak_memory_bytes", _INT),
        ("device", _TEXT),
        ("started_at", _TIME),
        ("finished_at", _TIME),
        *((name, _TEXT) for name in ("git_commit", "versions", "spec")),
        pa.field("schema_version", _INT, nullable=False),
    ]
)
TRAJECTORY_SCHEMA = pa.schema(
    [
        pa.field("run_id", _TEXT, nullable=False),
        *(pa.field(name, _INT, nullable=False) for name in ("step", "images")),
        *(
            pa.field(name, _FLOAT, nullable=False)
            for name in ("flops", "percent_error", "nuclear_norm", "loss", "reconstruction", "uniformity")
        ),
        pa.field("learning_rate", _FLOAT, nullable=False),
    ]
)


class Store:
    """The store of one sweep at `root`; folders are made when something is written."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def write_grid(self, text: str) -> None:
        """Keep the grid file that is being launched."""
        write_atomically(self.root / "grid.yaml", text.encode())

    def write_run(self, row: dict[str, Any]) -> None:
        """The one row of a run that has ended; columns that are absent become null."""
        table = pa.Table.from_pylist([{name: row.get(name) for name in RUN_SCHEMA.names}], RUN_SCHEMA)
        write_atomically(self.root / "runs" / f"{row['run_id']}.parquet", _parquet_bytes(table))

    def statuses(self) -> dict[str, str]:
        """run_id -> status of each run that has ended."""
        folder = self.root / "runs"
        files = [file for file in sorted(folder.glob("*.parquet")) if not file.name.startswith(".")]
        rows = [pq.read_table(file, columns=["run_id", "status"]).to_pylist()[0] for file in files]
        return {row["run_id"]: row["status"] for row in rows}

    def read_run(self, run_id: str) -> dict[str, Any]:
        """The row of a run that has ended."""
        row: dict[str, Any] = pq.read_table(self.root / "runs" / f"{run_id}.parquet").to_pylist()[0]
        return row

    def write_chunk(self, run_id: str, step_first: int, step_last: int, columns: dict[str, Any]) -> None:
        """Consecutive steps step_first..step_last of a run's trajectory, a value a step in each column."""
        table = pa.table({"run_id": [run_id] * (step_last - step_first + 1), **columns}, schema=TRAJECTORY_SCHEMA)
        path = self.root / "trajectories" / run_id / f"{step_first:08d}-{step_last:08d}.parquet"
        write_atomically(path, _parquet_bytes(table))

    def read_trajectory(self, run_id: str) -> pd.DataFrame:
        """All steps of one run, in order."""
        files = sorted((self.root / "trajectories" / run_id).glob("[0-9]*.parquet"))
        tables = [pq.read_table(file, schema=TRAJECTORY_SCHEMA) for file in files]
        return pa.concat_tables(tables or [TRAJECTORY_SCHEMA.empty_table()]).to_pandas()

    def steps_stored(self, run_id: str) -> int:
        """Number of steps in a run's trajectory."""
        files = (self.root / "trajectories" / run_id).glob("[0-9]*.parquet")
        spans = [file.stem.split("-") for file in files]
        return sum(int(last) - int(first) + 1 for first, last in spans)

    def write_checkpoint(self, run_id: str, step: int, payload: bytes) -> None:
        """Keep `payload` with its checksum as the checkpoint after `step` steps, and the one before it."""
        folder = self.root / "checkpoints" / run_id
        write_atomically(folder / f"{step:08d}.ckpt", hashlib.sha256(payload).digest() + payload)
        for old in self._checkpoints(run_id)[:-KEPT_CHECKPOINTS]:
            old.unlink()

    def read_checkpoints(self, run_id: str) -> Iterable[bytes]:
        """Payloads of a run's checkpoints whose checksum holds, newest first."""
        for file in reversed(self._checkpoints(run_id)):
            content = file.read_bytes()
            if hashlib.sha256(content[32:]).digest() == content[:32]:
                yield content[32:]

    def drop_checkpoints(self, run_id: str) -> None:
        """Forget a run's checkpoints."""
        _remove_tree(self.root / "checkpoints" / run_id)

    def drop_trajectory(self, run_id: str) -> None:
        """Forget what an earlier attempt at a run left, before it starts from nothing."""
        _remove_tree(self.root / "trajectories" / run_id)

    def _checkpoints(self, run_id: str) -> list[Path]:
        return sorted((self.root / "checkpoints" / run_id).glob("[0-9]*.ckpt"))


def write_atomically(path: Path, content: bytes) -> None:
    """Write `path` so that at any moment it has either its old content or all of the new, even after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _parquet_bytes(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd")
    return stream.getvalue()


def _remove_tree(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
