"""What Ray, store and leases cost a trivial cell, beside the bare loop: target below 0.5 s with actors reused.

`python -m tests.benchmarks orchestration 1000` runs so many cells and reports the driver's memory on the way.
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
import tempfile
import time
from pathlib import Path

import psutil
from rich.console import Console

from mmcr_core.config.defaults import run_spec
from mmcr_core.config.run import BudgetSpec, DatasetSpec, EvaluateSpec, ProjectorSpec, RunSpec
from mmcr_core.training import Pretraining
from sweeps.config.settings import GridSettings, ResourceSettings
from sweeps.execution.ray.cluster import cluster
from sweeps.execution.ray.ray_tune import Launch
from sweeps.monitoring.live_table import LiveTable
from sweeps.planning.launch_limits import Limits
from sweeps.planning.machine import this_machine
from sweeps.planning.plan import plan
from sweeps.storage.sweep_store import Store
from tests.benchmarks.measure import report

TRIVIAL = run_spec(
    DatasetSpec("digits"),
    16,
    8,
    2,
    BudgetSpec(steps=3),
    projector=ProjectorSpec((32,)),
    evaluate=EvaluateSpec(1, "none"),
)


class Watched(LiveTable):
    """A live table that notes the driver's memory, the time and the driver's CPU time at each tenth of the cells."""

    def __init__(self, cells, console):
        super().__init__(cells, console)
        self.total, self.ended_cells = len(cells), 0
        self.memory, self.at, self.cpu = [], [time.perf_counter()], [time.process_time()]

    def ended(self, cell, progress):
        super().ended(cell, progress)
        self.ended_cells += 1
        if self.ended_cells % max(1, self.total // 10) == 0:
            self.memory.append(psutil.Process().memory_info().rss >> 20)
            self.at.append(time.perf_counter())
            self.cpu.append(time.process_time())

    def milliseconds(self, clock):
        """A cell, in each tenth."""
        part = max(1, self.total // 10)
        return " ".join(f"{(b - a) / part * 1e3:.0f}" for a, b in itertools.pairwise(clock))


def _bare(specs: tuple[RunSpec, ...]) -> None:
    for spec in specs:
        run = Pretraining(spec)
        for _ in run.run():
            pass
        run.evaluate()


def main() -> None:
    count = next((int(argument) for argument in sys.argv[1:] if argument.isdigit()), 40)
    specs = tuple(dataclasses.replace(TRIVIAL, seed=seed) for seed in range(count))
    _bare(specs[:5])  # what the first of a process load is no cell's
    began = time.perf_counter()
    _bare(specs[:40])
    bare = (time.perf_counter() - began) / min(40, count)
    with tempfile.TemporaryDirectory() as folder, cluster(None) as ray:
        store = Store(Path(folder) / "b")
        store.write_grid("")
        cells = plan(specs, ResourceSettings(cpus=1.0), this_machine(ray.gpus, ray.cpus))
        table = Watched(cells, Console(stderr=True))
        began = time.perf_counter()
        with table:
            outcome = Launch(GridSettings(name="b"), store, table, ray.folder, Limits()).run(cells)
        taken = time.perf_counter() - began
    assert len(outcome.finished) == count, outcome
    slots = max(1, int(ray.cpus))
    row = {
        "cells": count,
        "bare s a cell": bare,
        "s a cell and slot": taken * slots / count,
        "overhead s": taken * slots / count - bare,
        "driver MiB at each tenth": " ".join(map(str, table.memory)),
        "ms a cell": table.milliseconds(table.at),
        "driver's CPU ms a cell": table.milliseconds(table.cpu),
    }
    report("orchestration", f"Overhead of orchestration, {slots} cells at once", [row])
