"""Finished runs of the same kind that are not part of a sweep: of other sweeps in its results folder, or of earlier
grids of its own store. They say what its runs may be like before any of them was trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analysis.fitting.forecast.points import Points
from mmcr_core.config.run import RunSpec
from sweeps.config.spec_serialization import spec_from_json
from sweeps.execution.adaptive.candidates import candidates, kind
from sweeps.execution.adaptive.measurements import Measurements
from sweeps.execution.adaptive.scheduler import Family
from sweeps.storage.cross_sweep_reuse import sweeps_beside
from sweeps.storage.filesystems import is_local
from sweeps.storage.run_status import RunStatus
from sweeps.storage.sweep_store import Store

MOST = 300  # runs that are read


def finished_elsewhere(store: Store, family: Family, quantity: str) -> tuple[Points, int]:
    """What runs measured that differ from one of the family in P, D, K and seed alone, and how many they are; their
    numbers begin after the family's."""
    variants = {kind(run.spec): run.variant for run in family.runs}
    parts, count = list[Points](), 0
    for other in [store, *(sweeps_beside(store) if is_local(store.root) else ())]:
        found = candidates([spec for spec in _finished(other) if kind(spec) in variants][: MOST - count])
        found = [run for run in found if run.run_id not in family.numbers]
        measurements = Measurements(other, quantity, family.scale, found)
        measurements.read(range(len(found)))
        for number, run in enumerate(found):
            points = measurements.points(number, 1.0)
            same = {"variant": variants[kind(run.spec)], "run": len(family.runs) + count}
            parts.append(replace(points, **{name: np.full(len(points), value) for name, value in same.items()}))
            count += 1
    return Points.concatenate(parts), count


def _finished(store: Store) -> list[RunSpec]:
    rows = store.snapshot().rows("status", "spec").values()
    specs = [spec_from_json(str(row["spec"])) for row in rows if row["status"] == RunStatus.FINISHED]
    return [spec for spec in specs if spec is not None]
