"""The steps of a launch: which cells, what they cost, and training those that the store does not have."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from mmcr_core.identity import run_id
from mmcr_core.images.datasets import DatasetError, require_present
from mmcr_core.spec import RunSpec
from sweeps.grid.grid_file import load_grid
from sweeps.grid.selection import selected
from sweeps.grid.settings import GridSettings
from sweeps.running.cluster import Cluster, check_resources, cluster
from sweeps.running.driver import Launch
from sweeps.running.kept_runs import missing_measures, runs_to_continue
from sweeps.running.limits import Limits
from sweeps.running.live_table import LiveTable
from sweeps.running.plan import Cell, Machine, plan, this_machine
from sweeps.running.worker_watch import Outcome
from sweeps.storage.errors import UserError
from sweeps.storage.files_and_urls import at, is_local, write_atomically
from sweeps.storage.sweep_store import Store


@dataclass(frozen=True)
class Sweep:
    """The chosen `cells` of a grid that has `grid_cells` of them, and the store they go to; `text` of the grid."""

    settings: GridSettings
    cells: tuple[RunSpec, ...]
    grid_cells: int
    text: str
    results: str
    store: Store

    def planned(self, cells: tuple[RunSpec, ...], machine: Machine) -> list[Cell]:
        """Costs of `cells` on `machine`, the most expensive first."""
        return plan(cells, self.settings.resources, machine, self.grid_cells, self.settings.compile)


def open_sweep(grid: str | Path, results: str, only: str | None = None) -> Sweep:
    """Read a grid file and choose cells. Raises UserError for a mistake in either."""
    spec = load_grid(grid)
    store = Store(at(results) / spec.settings.name)
    return Sweep(spec.settings, selected(spec.cells, only), len(spec.cells), spec.text, results, store)


def calibrate(sweep: Sweep, address: str | None, limits: Limits) -> None:
    """Measure what was not measured before; nothing is written but the user's cache."""
    _require_data(sweep.cells)
    with cluster(address) as ray:
        _measure(sweep, sweep.planned(sweep.cells, this_machine(ray.gpus, ray.cpus)), ray, limits)


def train(sweep: Sweep, address: str | None, limits: Limits, calibrate_first: bool = False) -> Outcome:
    """Train the cells that have not finished, and say how each ended. Raises UserError before anything is written."""
    store = sweep.store
    if limits.tensorboard and not is_local(store.root):
        raise UserError("--tensorboard: needs --results in a folder, not at a URL")
    if is_local(store.root) and store.root.is_symlink():
        raise UserError(f"{store.root} is a link; a sweep's folder must lie in {sweep.results} itself")
    for damaged in store.set_aside_damaged_runs():
        print(f"{damaged} is damaged and was set aside; its cell is run again", file=sys.stderr)
    todo = _todo(sweep)
    done = len(sweep.cells) - len(todo.cells)
    note = f"{len(sweep.cells)} cells: {done} have finished already, {len(todo.cells)} to run{todo.remark}"
    if not todo.cells:
        print(note, file=sys.stderr)
        return Outcome(finished_before=done)
    _require_data(todo.cells)
    _require_writable(sweep.results)
    with cluster(address) as ray:
        machine = this_machine(ray.gpus, ray.cpus)
        planned = sweep.planned(todo.cells, machine)
        check_resources(planned, ray.gpus, ray.cpus)
        store.write_grid(sweep.text)
        console = terminal(stderr=True)
        console.print(note, highlight=False)
        if calibrate_first or (machine.gpu_memory_bytes and sweep.settings.resources.gpus == "auto"):
            _measure(sweep, planned, ray, limits)
            planned = sweep.planned(todo.cells, machine)
        planned = [replace(cell, continues=todo.continues.get(cell.run_id)) for cell in planned]
        with LiveTable(planned, console) as table:
            outcome = Launch(sweep.settings, store, table, ray.folder, limits).run(planned)
    outcome.finished_before = done
    return outcome


@dataclass(frozen=True)
class _Todo:
    """Cells to run, those that go on from a shorter run (run_id -> run_id), and what a person should know."""

    cells: tuple[RunSpec, ...]
    continues: dict[str, str]
    remark: str


def _todo(sweep: Sweep) -> _Todo:
    store, rows = sweep.store, {row["run_id"]: row for row in sweep.store.rows()}
    cells, measured_again, lost = [], 0, set()
    for cell in sweep.cells:
        row = rows.get(run_id(cell))
        if row is None or row["status"] != "finished":
            cells.append(cell)
        elif missing := missing_measures(store, cell, row["steps"]):
            if store.has_weights(row["run_id"]):
                cells.append(cell)
                measured_again += 1
            else:
                lost |= set(missing)
    unfinished = [cell for cell in cells if rows.get(run_id(cell), {}).get("status") != "finished"]
    continues = runs_to_continue(store, unfinished)
    remarks = [
        f"{measured_again} of them finished runs, to be measured again" if measured_again else "",
        f"{len(continues)} of them go on from shorter runs" if continues else "",
        f"finished runs without weights lack {', '.join(sorted(lost))}" if lost else "",
    ]
    return _Todo(tuple(cells), continues, "".join(f"; {remark}" for remark in remarks if remark))


def terminal(stderr: bool = False) -> Console:
    """Wide enough for tables where the output is not a terminal."""
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=140)


def _measure(sweep: Sweep, planned: list[Cell], ray: Cluster, limits: Limits) -> None:
    with LiveTable([cell for cell in planned if not cell.measured], terminal(stderr=True)) as table:
        Launch(sweep.settings, sweep.store, table, ray.folder, limits).calibrate(planned)


def _require_data(cells: tuple[RunSpec, ...]) -> None:
    """Raises UserError, with the remedy, where a data set is absent."""
    try:
        for dataset in {cell.dataset for cell in cells}:
            require_present(dataset)
    except DatasetError as error:
        raise UserError(str(error)) from error


def _require_writable(results: str) -> None:
    """Raises UserError unless `results`, or the nearest folder above it that exists, can be written to."""
    if not is_local(at(results)):
        try:
            write_atomically(at(results) / ".writable", b"")
            (at(results) / ".writable").unlink()
        except (OSError, ValueError) as error:
            raise UserError(f"--results: {results} cannot be written to ({error}); choose another") from error
        return
    folder = Path(results).absolute()
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UserError(f"--results: {folder} is not a folder that can be written to; choose another")
