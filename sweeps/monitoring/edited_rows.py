"""Rows of finished runs against what they follow from, as where a person has edited one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mmcr_core.theory.error import final_steps
from sweeps.storage.filesystems import raise_unless_damaged, write_atomically
from sweeps.storage.packing.fsck_packed import LEFT, Finding
from sweeps.storage.run_status import RunStatus
from sweeps.storage.snapshot import Row
from sweeps.storage.sweep_store import Store

OUTCOME = ("percent_error", "reconstruction", "uniformity")  # of a run: means over its last steps
CLOSE = 1e-6  # relative; sums in another order differ by less


def edited_rows(store: Store, repair: bool) -> Iterator[Finding]:
    """Rows of finished runs that say otherwise than their spec, trajectory and measures do, from which they follow.
    With `repair` they are written anew, the old ones kept in `damaged/`. Runs that are not whole or that somebody is
    measuring are passed over; all are, where a chunk is damaged."""
    snapshot = store.snapshot()
    if snapshot.listing.packed("runs") and snapshot.listing.damaged:
        return
    rows = snapshot.rows()
    whole = {run for run, row in rows.items() if row["status"] == RunStatus.FINISHED}
    whole = {run for run in whole if snapshot.steps_stored(run) == rows[run]["steps"]}
    try:
        for run, steps in snapshot.trajectories(whole, ("step", *OUTCOME)):
            row = rows[run]
            right = _following(row, steps, snapshot.read_measures(run, row["steps"]))
            wrong = {name: value for name, value in right.items() if not _same(row[name], value)}
            if not wrong or store.lease(run, "").held():
                continue
            file = snapshot.listing.rows.get(run)
            if repair:
                if file:
                    write_atomically(store.root / "damaged" / "runs" / file.name, file.read_bytes())
                store.write_run(row | wrong)
            said = ", ".join(f"{name} {row[name]} and not {value}" for name, value in wrong.items())
            remedy = "its row was written anew, the old one is in damaged/" if repair else LEFT
            place = file or snapshot.listing.packed_at("runs")[run].path
            yield Finding(place, f"row of run {run} says {said}, which its spec, steps and measures say", remedy)
    except (pa.ArrowException, OSError) as error:
        raise_unless_damaged(error, store.root)


def _following(row: Row, steps: pa.Table, measures: Sequence[Row]) -> Row:
    """The columns of a finished run's row that follow from its other files and its spec."""
    last = steps.sort_by("step").slice(len(steps) - final_steps(len(steps)))
    found: Row = {name: pc.mean(last[name]).as_py() for name in OUTCOME} | {"steps": len(steps)}
    spec = json.loads(row["spec"] or "{}")
    found |= {name: spec[name] for name in ("P", "D", "K", "seed", "precision") if name in spec}
    named = {name: spec.get(name) for name in ("objective", "dataset", "encoder")}
    found |= {name: part["name"] for name, part in named.items() if isinstance(part, dict) and "name" in part}
    if "P" in found:
        found["images"] = len(steps) * found["P"]
    if row["flops_per_step"] is not None:
        found["flops"] = len(steps) * row["flops_per_step"]
    of_row = [measured for measured in measures if not measured["subject"]]
    heldout = [measured["value"] for measured in of_row if measured["name"] == "heldout_percent_error"]
    return found | ({"heldout_percent_error": heldout[0]} if heldout else {})


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=CLOSE) or (math.isnan(one) and math.isnan(other))
    return bool(one == other)
