"""A sweep as it stands now, for the live page: each cell with its progress and error, and curves of few points."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from analysis.results.display_names import variant_name
from analysis.results.errors import ResultsError
from analysis.results.variant_labels import variants
from sweeps.storage.run_status import RunStatus
from sweeps.storage.snapshot import Snapshot

POINTS = 200  # of a curve, at most
CELL = ("run_id", "P", "D", "K", "seed", "steps")
ROW = (*CELL, "status", "percent_error", "spec")
COLUMNS = ("step", "percent_error", "flops")


@dataclass(frozen=True)
class Curve:
    """Percent error `error` (float32) after `steps` (int32) steps, each the mean since the step before in the list;
    `flops`: of one step."""

    steps: NDArray[np.int32]
    error: NDArray[np.float32]
    flops: float


class SweepState:
    """The store at `root` at one moment. Raises ResultsError where it has no cells."""

    def __init__(self, root: Path) -> None:
        self.root, self._snapshot = root, Snapshot(root)
        listing = self._snapshot.listing
        places = [*listing.rows, *(str(file.path) for file in listing.packed("runs")), *sorted(listing.leases)]
        chunks = [f"{run}/{files[-1].name}" for run, files in listing.chunks.items()]
        self.digest = hashlib.sha256("\n".join([*places, *chunks]).encode()).hexdigest()[:16]

    def cells(self) -> dict[str, Any]:
        """Columns of all cells that were launched or have run, as lists of one length, with the names that `variant`
        and `status` are indexes of; `done`: steps in the store; `error`: final percent error, None before the end."""
        rows = self._rows()
        if not rows:
            raise ResultsError(f"{self.root} holds no cells yet; launch a grid first")
        labels = variants([json.loads(row["spec"]) for row in rows])
        names, statuses = sorted(set(labels)), list(map(str, RunStatus))
        standing = [str(self._status(row)) for row in rows]
        columns: dict[str, Any] = {
            name: [row[name] for row in rows] for name in ("run_id", "P", "D", "K", "seed", "steps")
        }
        columns["variant"] = [names.index(label) for label in labels]
        columns["status"] = [statuses.index(status) for status in standing]
        columns["done"] = [self._done(row) for row in rows]
        columns["error"] = [row.get("percent_error") for row in rows]
        return {
            "name": self.root.name,
            "digest": self.digest,
            "cells": columns,
            "variants": list(map(variant_name, names)),
            "statuses": statuses,
            "counts": dict(Counter(standing)),
        }

    def curves(self, runs: Iterable[str]) -> Iterator[tuple[str, Curve]]:
        """Those of `runs` that have a trajectory, in no order."""
        for run_id, table in self._snapshot.trajectories(set(runs), COLUMNS):
            if len(table):
                yield run_id, thinned(table)

    def _rows(self) -> list[dict[str, Any]]:
        ended = self._snapshot.rows(*ROW)
        file = self.root / "cells.parquet"
        planned = pq.read_table(file).to_pylist() if file.exists() else []
        merged = {row["run_id"]: row for row in planned} | ended
        return sorted(merged.values(), key=lambda row: (row["K"], row["D"], row["P"], row["seed"], row["run_id"]))

    def _done(self, row: Mapping[str, Any]) -> int:
        return row["steps"] if row.get("status") == RunStatus.FINISHED else self._snapshot.steps_stored(row["run_id"])

    def _status(self, row: Mapping[str, Any]) -> RunStatus:
        if status := row.get("status"):
            return RunStatus(status)
        if row["run_id"] in self._snapshot.listing.leases:
            return RunStatus.RUNNING
        return self._snapshot.idle_status(row["run_id"], row["steps"])


def thinned(table: pa.Table) -> Curve:
    """At most POINTS points of a trajectory, evenly in the logarithm of the step, each the mean of the steps since the
    one before."""
    table = table.sort_by("step")
    error, flops = (table[name].to_numpy() for name in ("percent_error", "flops"))
    starts, ends = _bins(len(error))
    means = np.add.reduceat(error, starts) / (ends - starts)
    return Curve(ends.astype(np.int32), means.astype(np.float32), float(flops[-1] / len(error)))


@cache
def _bins(steps: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First step, and the one after the last, of each bin of so many steps."""
    ends = np.unique(np.round(np.geomspace(1, steps, min(POINTS, steps))).astype(np.int64))
    return np.concatenate([[0], ends[:-1]]), ends


def packed_curves(curves: Iterable[tuple[str, Curve]]) -> dict[str, Any]:
    """Curves as JSON: `grids` holds each list of steps once (base64 of int32), `errors` all errors one after another
    (base64 of float32); `runs`: run_id -> number of its grid, where its errors begin, FLOPs of a step."""
    grids: dict[bytes, int] = {}
    runs, parts, begins = {}, [], 0
    for run_id, curve in curves:
        grid = grids.setdefault(curve.steps.tobytes(), len(grids))
        runs[run_id] = [grid, begins, curve.flops]
        parts.append(curve.error)
        begins += len(curve.error)
    errors = np.concatenate(parts).tobytes() if parts else b""
    return {
        "grids": [base64.b64encode(steps).decode() for steps in grids],
        "errors": base64.b64encode(errors).decode(),
        "runs": runs,
    }
