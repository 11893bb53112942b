"""Finished runs of other sweeps in the same results folder are reused: runs are content-addressed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sweeps.cli.errors import UserError
from sweeps.storage.chunks import chunk_files
from sweeps.storage.filesystems import write_atomically
from sweeps.storage.run_status import RunStatus
from sweeps.storage.sweep_store import Store, read_run_row


def import_finished_runs(store: Store, run_ids: Iterable[str]) -> dict[str, str]:
    """Copy into `store` those of `run_ids` that it has not ended and that a sweep beside it has finished, the row
    last; run_id -> name of that sweep. Its row says in `sweep` whose it is now, else everything stays as it was."""
    missing = set(run_ids) - set(store.statuses())
    taken: dict[str, str] = {}
    for row_file in _rows_beside(store, missing) if missing else []:
        run_id, other = row_file.stem, Store(row_file.parent.parent)
        try:
            row = read_run_row(row_file) if run_id not in taken else None
        except UserError:  # of a newer version of this code: none of our business
            continue
        if row is None or row["status"] != RunStatus.FINISHED or other.steps_stored(run_id) != row["steps"]:
            continue
        measures = (other.root / "measures" / run_id).glob("[0-9]*.parquet")
        files = [*chunk_files(other.root / "trajectories" / run_id), *measures]
        for file in (*files, other.root / "weights" / f"{run_id}.pt"):
            if file.exists():
                write_atomically(store.root / file.relative_to(other.root), file.read_bytes())
        store.write_run({**row, "sweep": store.root.name})
        taken[run_id] = other.root.name
    return taken


def _rows_beside(store: Store, run_ids: set[str]) -> list[Path]:
    beside = sorted(path for path in store.root.parent.glob("*") if path.name != store.root.name and path.is_dir())
    rows = [file for sweep in beside for file in (sweep / "runs").glob("*.parquet")]
    return sorted(file for file in rows if file.stem in run_ids)
