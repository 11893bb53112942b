"""Finished runs of other sweeps in the same results folder are reused: runs are content-addressed."""

from __future__ import annotations

from collections.abc import Iterable

from sweeps.cli.errors import UserError
from sweeps.storage.run_status import RunStatus
from sweeps.storage.snapshot import Snapshot
from sweeps.storage.sweep_store import Store


def import_finished_runs(store: Store, run_ids: Iterable[str]) -> dict[str, str]:
    """Copy into `store` those of `run_ids` that it has not ended and that a sweep beside it has finished, the row
    last; run_id -> name of that sweep. Its row says in `sweep` whose it is now, else everything stays as it was."""
    found = finished_beside(store, run_ids)
    for run_id, other in found.items():
        _copy(other, store, run_id)
        store.write_run({**other.read_run(run_id), "sweep": store.root.name})
    return {run_id: other.root.name for run_id, other in found.items()}


def finished_beside(store: Store, run_ids: Iterable[str]) -> dict[str, Store]:
    """run_id -> a sweep beside `store` that has finished it, of those of `run_ids` that `store` has not ended."""
    missing, found = set(run_ids) - _ended(store.snapshot()), dict[str, Store]()
    for other in sweeps_beside(store) if missing else ():
        here = other.snapshot()
        for run_id in sorted(_ended(here) & (missing - set(found))):
            try:
                row = other.read_run(run_id)
            except (UserError, FileNotFoundError):  # of a newer version of this code, or damaged: none of our business
                continue
            if row["status"] == RunStatus.FINISHED and here.steps_stored(run_id) == row["steps"]:
                found[run_id] = other
    return found


def _ended(snapshot: Snapshot) -> set[str]:
    return {*snapshot.listing.rows, *snapshot.listing.packed_at("runs")}


def _copy(other: Store, store: Store, run_id: str) -> None:
    """All that a finished run has but its row."""
    trajectory = other.read_trajectory(run_id).drop(columns="run_id")
    store.write_chunk(run_id, 0, len(trajectory) - 1, {name: trajectory[name].to_numpy() for name in trajectory})
    for step in other.measured_steps(run_id):
        rows = other.read_measures(run_id, step)
        given = [{key: row[key] for key in row if key not in ("run_id", "step")} for row in rows]
        store.write_measures(run_id, step, given)
    store.copy_weights(run_id, other)


def sweeps_beside(store: Store) -> list[Store]:
    """The others in its results folder; a hidden one, such as a store that is being merged, is none."""
    folders = (path for path in sorted(store.root.parent.glob("*")) if not path.name.startswith("."))
    return [Store(path) for path in folders if path.name != store.root.name and path.is_dir()]
