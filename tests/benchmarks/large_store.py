"""What the commands take on stores of 1,000 and of 10,000 finished runs, 1,800 steps each, packed and not packed.

Wall time and CPU time (user and system, of the command and its children) stand side by side: where other processes
load the machine, the second says more, and the growth is of that. `python -m tests.benchmarks large_store 1000` does it
for one size. The driver's memory and what Ray costs a trivial cell are measured by `orchestration`.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from sweeps.storage.packing.compaction import compact
from sweeps.storage.sweep_store import Store
from tests.benchmarks.many_runs import write_store
from tests.benchmarks.measure import report

REPOSITORY = Path(__file__).parents[2]
SIZES = (1000, 10_000)
KINDS = ("wall", "cpu")
COUNT = "SELECT count(*), avg(percent_error) FROM runs"
GROUPED = "SELECT P, D, avg(t.percent_error) FROM trajectories t JOIN runs USING (run_id) GROUP BY P, D"
AT_MOST = {  # seconds at 10,000 runs
    "count over runs, not packed": 4.0,
    "plan": 6.0,
    "launch, nothing to do": 8.0,
    "status": 3.0,
    "count over runs": 1.5,
    "grouped query over trajectories": 4.0,
    "double-descent figure": 20.0,
    "report": 90.0,
}


class Taken(NamedTuple):
    """Seconds of a command."""

    wall: float
    cpu: float


def main() -> None:
    sizes = [int(argument) for argument in sys.argv[1:] if argument.isdigit()] or SIZES
    with tempfile.TemporaryDirectory() as folder:
        taken = {size: measured(Path(folder) / str(size), size) for size in sizes}
    rows = []
    for command, limit in AT_MOST.items():
        seconds = {f"{size:,} runs {kind} s": getattr(taken[size][command], kind) for size in sizes for kind in KINDS}
        growth = taken[sizes[-1]][command].cpu / taken[sizes[0]][command].cpu
        rows.append({"command": command, **seconds, "growth": growth, "at most s": limit})
    report("large_store", "Commands on stores of many finished runs, each in a fresh process", rows)


def measured(folder: Path, size: int) -> dict[str, Taken]:
    """Time of each command on a new store of so many runs in `folder`."""
    grid = write_store(folder, size)
    found = {"count over runs, not packed": seconds("analysis/query.py", folder / "many", COUNT)}
    compact(Store(folder / "many"))
    return found | {name: seconds(*command) for name, command in commands(folder, grid).items()}


def commands(folder: Path | str, grid: Path) -> dict[str, tuple[object, ...]]:
    """Each command on the store `folder/many`."""
    store, launch = f"{folder}/many", ("sweeps/launch.py", grid, "--results", folder)
    return {
        "plan": (*launch, "--plan"),
        "launch, nothing to do": launch,
        "status": ("sweeps/status.py", store),
        "count over runs": ("analysis/query.py", store, COUNT),
        "grouped query over trajectories": ("analysis/query.py", store, GROUPED),
        "double-descent figure": ("analysis/plot_double_descent.py", store),
        "report": ("analysis/report.py", store),
    }


def seconds(*command: object) -> Taken:
    """Of a command in a process of its own; its files are in the cache of the system, where they were written or read
    just before. What it leaves in a store is not there yet."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *map(str, command)], cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Taken(wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
