"""Several stores as one: the runs of all that have ended, each once. Nothing is written where two disagree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.cli.errors import UserError
from sweeps.storage.run_status import RunStatus
from sweeps.storage.sweep_store import Store

SHOWN = 3  # runs that a message names
BEST_FIRST = [RunStatus.FINISHED, RunStatus.DIVERGED, RunStatus.FAILED]


@dataclass(frozen=True)
class Merged:
    """How many runs were written, how many of them several stores had, and which of those differ, of which the first
    store's was taken."""

    runs: int
    shared: int
    differing: tuple[str, ...]


def merge(stores: Sequence[Store], target: Store, name: str, *, for_figures: bool = False) -> Merged:
    """Write what `stores` have into the empty store `target`, as the sweep `name`. Of a run that several have, the
    finished one is taken, of two finished ones the first store's. `for_figures`: without weights, and runs may differ.

    Raises: UserError where two finished runs of one id, or what was measured of them, differ; nothing is written then.
    """
    holders: dict[str, list[tuple[Store, dict[str, Any]]]] = {}
    for store in stores:
        for row in store.rows():
            holders.setdefault(row["run_id"], []).append((store, row))
    ordered = {
        run_id: sorted(held, key=lambda one: BEST_FIRST.index(one[1]["status"])) for run_id, held in holders.items()
    }
    problems = {run_id: problem for run_id, held in ordered.items() if (problem := _difference(held))}
    if problems and not for_figures:
        shown = "; ".join(list(problems.values())[:SHOWN])
        more = f"; and {len(problems) - SHOWN} more runs" if len(problems) > SHOWN else ""
        raise UserError(f"{shown}{more}: keep one of each, such as by leaving a store out; nothing was written")
    for (store, row), *others in ordered.values():
        _copy([store, *(other for other, _ in others)], target, {**row, "sweep": name}, weights=not for_figures)
    _write_cells(stores, target)
    return Merged(len(ordered), sum(len(held) > 1 for held in ordered.values()), tuple(problems))


def _difference(held: list[tuple[Store, dict[str, Any]]]) -> str:
    """In what the finished ones among the holders of a run differ; empty where they agree."""
    (first, row), *others = [one for one in held if one[1]["status"] == RunStatus.FINISHED] or held[:1]
    run_id = row["run_id"]
    for other, its_row in others:
        between = f"run {run_id} differs between {first.root} and {other.root}"
        alike = all(row.get(key) == its_row.get(key) for key in ("percent_error", "steps"))
        if not (alike and first.read_trajectory(run_id).equals(other.read_trajectory(run_id))):
            errors = " and ".join(f"{one['percent_error']:.6g}" for one in (row, its_row))
            return f"{between}: percent error {errors}, as machines, versions and thread counts make it"
        if measured := _measured_otherwise(first, other, run_id):
            return f"{between} in what was measured of it: {measured}"
    return ""


def _measured_otherwise(first: Store, other: Store, run_id: str) -> str:
    """A measure that two stores have of a run with another digest or value; empty where there is none."""
    for step in sorted({*first.measured_steps(run_id)} & {*other.measured_steps(run_id)}):
        known = {(row["name"], row["subject"]): row for row in first.read_measures(run_id, step)}
        for row in other.read_measures(run_id, step):
            mine = known.get((row["name"], row["subject"]))
            if mine and any(mine.get(key) != row.get(key) for key in ("digest", "value", "count")):
                return f"{row['name']} at step {step}"
    return ""


def _copy(holders: list[Store], target: Store, row: dict[str, Any], weights: bool) -> None:
    """A run of the first holder, with what only the others measured or kept of it, its row last."""
    store, run_id = holders[0], row["run_id"]
    trajectory = store.read_trajectory(run_id).drop(columns="run_id")
    if len(trajectory):
        first, last = int(trajectory["step"].iloc[0]), int(trajectory["step"].iloc[-1])
        target.write_chunk(run_id, first, last, {name: trajectory[name].to_numpy() for name in trajectory})
    for holder in reversed(holders if row["status"] == RunStatus.FINISHED else holders[:1]):  # the first's come last
        if holder is not store and holder.status(run_id) != RunStatus.FINISHED:
            continue
        for step in holder.measured_steps(run_id):
            rows = [
                {key: one[key] for key in one if key not in ("run_id", "step")}
                for one in holder.read_measures(run_id, step)
            ]
            target.write_measures(run_id, step, rows)
        if weights:
            target.copy_weights(run_id, holder)
    if store.log_file(run_id).exists():
        target.write_log(run_id, store.log_file(run_id).read_text(encoding="utf-8"))
    target.write_run(row)


def _write_cells(stores: Iterable[Store], target: Store) -> None:
    cells: dict[str, dict[str, Any]] = {}
    for store in stores:
        for cell in store.read_cells():
            cells.setdefault(cell["run_id"], cell)
    if cells:
        target.write_cells(list(cells.values()))
