"""A grid with the cells that were chosen of it and the store they go to: what every way of running begins with."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from mmcr_core.config.run import RunSpec
from mmcr_core.config.run_id import run_id, spec_to_json
from mmcr_core.data import registry
from mmcr_core.data.registry import DatasetError, require_present, steps_of
from sweeps.cli.console import columns, print_wrapped
from sweeps.cli.errors import OptionError, UserError
from sweeps.cli.formatting import counted
from sweeps.config.axes import varying
from sweeps.config.filters import CellCount, asks_for_diverged, selected
from sweeps.config.grid_file import GridSpec, load_grid
from sweeps.config.settings import GridSettings
from sweeps.execution.continuation import runs_to_continue
from sweeps.execution.stored_measures import measurable, missing_measures
from sweeps.monitoring.launch_outcome import Ending
from sweeps.monitoring.trackers.choice import require_login, require_trackers
from sweeps.planning.cpu_count import usable_cores
from sweeps.planning.machine import Machine
from sweeps.planning.plan import Cell, plan
from sweeps.planning.speed import speed_of
from sweeps.storage.cross_sweep_reuse import import_finished_runs
from sweeps.storage.decisions import drop_stop
from sweeps.storage.filesystems import is_local, outlives_this_process, to_path, write_atomically
from sweeps.storage.run_status import RunStatus
from sweeps.storage.snapshot import Row, Snapshot
from sweeps.storage.sweep_store import Store

FEW_HELDOUT = 100  # images, below which an accuracy is known to no better than 10 percentage points
NORMAL_95 = 1.96


@dataclass(frozen=True)
class Sweep:
    """All `grid_cells` of a grid in its order, the `cells` among them that were chosen, its `text`, and the store;
    `retry_diverged`: whether cells that have diverged were asked for."""

    settings: GridSettings
    grid_cells: tuple[RunSpec, ...]
    cells: tuple[RunSpec, ...]
    text: str
    results: str
    store: Store
    retry_diverged: bool = False
    places: dict[str, str] = field(default_factory=dict)  # as of GridSpec, and what follows
    counts: tuple[CellCount, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def varying(self) -> list[str]:
        """Keys beside P, D, K and seed that the grid varies."""
        return varying(self.grid_cells)

    def planned(self, cells: tuple[RunSpec, ...], machine: Machine) -> list[Cell]:
        """Costs of `cells` on `machine`, the most expensive first."""
        return plan(
            cells,
            self.settings.resources,
            machine,
            self.settings.compile,
            speed_of,
            self.settings.memory == "recompute",
        )


@dataclass(frozen=True)
class PendingCells:
    """Cells to run, those that continue a shorter run (run_id -> run_id), those that resume from a step (`begun`:
    run_id -> step), those that have diverged and are left alone, how many are done, and what a person should know."""

    cells: tuple[RunSpec, ...]
    continues: dict[str, str]
    begun: dict[str, int]
    diverged: dict[str, Ending]
    done: int
    note: str


def open_sweep(
    grid: str | Path | Mapping[str, Any] | GridSpec,
    results: str,
    only: str | None = None,
    overrides: Sequence[str] = (),
    track: Sequence[str] = (),
) -> Sweep:
    """Read a grid with overrides, unless it has been read, and choose cells, which the trackers `track` follow beside
    those of the grid. Raises UserError for a mistake in any."""
    spec = grid if isinstance(grid, GridSpec) else load_grid(grid, overrides)
    if not results:
        raise OptionError("results", "is empty; give a folder, . for this one")
    store = Store(to_path(results) / spec.settings.name)
    chosen = selected(spec.cells, only, store.statuses)
    settings = spec.settings.model_copy(update={"track": tuple(dict.fromkeys([*spec.settings.track, *track]))})
    require_trackers(settings.track, store.root)
    counts = (*spec.counts, CellCount(f"chosen by {only}", len(chosen))) if only else spec.counts
    told = (spec.places, counts, spec.remarks)
    return Sweep(settings, spec.cells, chosen, spec.text, results, store, asks_for_diverged(only), *told)


def require_runnable(sweep: Sweep) -> None:
    """Raises UserError where the store cannot be written to; nothing is written."""
    root = sweep.store.root
    if not outlives_this_process(root):
        raise OptionError("results", f"{sweep.results} is lost when the process ends; choose a folder")
    if not is_local(root):
        try:
            write_atomically(to_path(sweep.results) / ".writable", b"")
            (to_path(sweep.results) / ".writable").unlink()
        except Exception as error:  # each file system has errors of its own
            reason = f"{type(error).__name__}: {error}"
            raise OptionError("results", f"{sweep.results} cannot be written to ({reason}); choose another") from error
        return
    if root.is_symlink():
        raise UserError(f"{root} is a link; a sweep's folder must lie in {sweep.results} itself")
    folder = root.absolute()
    while not folder.exists():
        if folder.is_symlink():
            raise OptionError(
                "results", f"{folder} is a link to {os.readlink(folder)}, which is not there; make it first"
            )
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise OptionError("results", f"{folder} is not a folder that can be written to; choose another")


def require_resources(sweep: Sweep, gpus: float, cpus: float) -> None:
    """Raises UserError where cells ask for more than there is: Ray would leave them pending for ever."""
    asked = sweep.settings.resources
    for key, wanted, there, what in (("gpus", asked.gpus, gpus, "GPUs"), ("cpus", asked.cpus, cpus, "cores")):
        if wanted != "auto" and wanted > there:
            place = sweep.places.get(f"resources.{key}", f"resources.{key}")
            raise UserError(f"{place}: {wanted:g} exceeds the {there:g} {what} there are; use less or auto")


def require_here(sweep: Sweep) -> None:
    """The same of this machine, and of the logins of trackers."""
    require_login(sweep.settings.track)
    require_resources(sweep, torch.cuda.device_count(), usable_cores())


def require_data(cells: tuple[RunSpec, ...]) -> None:
    """Raises UserError, with the remedy, where a data set is absent."""
    try:
        for dataset in {cell.dataset for cell in cells}:
            require_present(dataset)
    except DatasetError as error:
        raise UserError(str(error)) from error


def remarks(cells: tuple[RunSpec, ...]) -> list[str]:
    """What is odd about the data of cells, though it can be trained on."""
    sets = dict.fromkeys(cell.dataset for cell in cells)
    said = list(dict.fromkeys(each for dataset in sets for each in registry.remarks(dataset)))
    heldout = {dataset: registry.count(dataset)[1] for dataset in sets}
    unlabeled = {dataset for dataset in sets if registry.class_count(dataset) == 0}
    for name, count in dict.fromkeys((dataset.name, heldout[dataset]) for dataset in sets):
        mine = [cell for cell in cells if (cell.dataset.name, heldout[cell.dataset]) == (name, count)]
        images = f"{counted(count, 'held-out image')} of {name}"
        raised = "; raise dataset.heldout" if mine[0].dataset.by_content else ""
        if few := [cell.P for cell in mine if cell.evaluate.heldout_batches and count < cell.P]:
            which = f"P = {min(few)} exceeds" if len(set(few)) == 1 else f"P from {min(few)} on exceeds"
            said.append(f"no heldout_percent_error in {len(few)} of {len(cells)} cells: {which} the {images}{raised}")
        probed = any(cell.evaluate.probes and cell.dataset not in unlabeled for cell in mine)
        if probed and 0 < count < FEW_HELDOUT:
            within = 100 * NORMAL_95 * 0.5 / count**0.5
            said.append(f"probes are tested on the {images}, to within {within:.0f} percentage points{raised}")
    if blind := [cell for cell in cells if cell.evaluate.probes and cell.dataset in unlabeled]:
        said.append(f"no probe accuracy in {len(blind)} of {len(cells)} cells: {blind[0].dataset.name} has no labels")
    for given in dict.fromkeys(cell.evaluate.zero_shot for cell in cells):
        if given and given.dataset.by_content and given.dataset.heldout < 1:
            rest, shown = registry.count(given.dataset)
            all_of_them = "evaluate.zero_shot.dataset.heldout: 1 takes all"
            said.append(
                f"zero_shot looks at {shown:,} of the {rest + shown:,} images of {given.dataset.path}; {all_of_them}"
            )
    banks = {cell.evaluate.probe_images for cell in cells if cell.dataset.limit}
    said += [
        f"probes learn from {bank:,} labeled images (evaluate.probe_images), whatever dataset.limit keeps"
        for bank in sorted(filter(None, banks))
    ]
    return [f"note: {each}" for each in said]


def todo(sweep: Sweep) -> PendingCells:
    """What is left to do, after damaged rows were quarantined and runs of other sweeps reused."""
    store = sweep.store
    snapshot = store.snapshot()
    rows = snapshot.rows("status", "steps", "error")
    for damaged in map(store.quarantine, snapshot.damaged):
        print(f"{damaged} is damaged and was quarantined; its cell is run again", file=sys.stderr)

    taken = import_finished_runs(store, {run_id(cell) for cell in sweep.cells} - set(rows))
    if taken:
        snapshot = store.snapshot()
        rows = snapshot.rows("status", "steps", "error")
    cells: list[RunSpec] = []
    again, diverged = 0, dict[str, Ending]()
    lost: set[str] = set()
    too_late: set[str] = set()
    for cell in sweep.cells:
        key = run_id(cell)
        row = rows.get(key)
        status = row["status"] if row else None
        if row is None or status not in (RunStatus.FINISHED, RunStatus.DIVERGED):
            cells.append(cell)
        elif status == RunStatus.DIVERGED:
            if sweep.retry_diverged:
                cells.append(cell)
            else:
                diverged[key] = Ending.of_row(row)
        elif missing := missing_measures(snapshot, cell, row["steps"]):
            gone = set(missing) - {*measurable(snapshot, key, missing, row["steps"])}
            if gone != set(missing):
                cells.append(cell)
                again += 1
            for step in gone:
                (lost if step == row["steps"] else too_late).update(missing[step])
    unfinished = [cell for cell in cells if rows.get(run_id(cell), {}).get("status") != RunStatus.FINISHED]
    continues = runs_to_continue(store, unfinished)
    begun = steps_begun(snapshot, rows, map(run_id, unfinished), continues)
    paused = len(begun.keys() & snapshot.listing.decisions.keys())
    done = len(sweep.cells) - len(cells) - len(diverged)
    note = f"{counted(len(sweep.cells), 'cell')}: {done} finished already, {len(cells)} to run"
    remarks = [
        f"{len(taken)} reused from {', '.join(sorted(set(taken.values())))}" if taken else "",
        f"{again} of them finished before, to be measured again" if again else "",
        f"{paused} of them to be resumed from an adaptive sweep" if paused else "",
        f"{len(continues)} of them to be continued from a shorter run" if continues else "",
        f"{len(diverged)} diverged before, left alone (selecting status=diverged tries again)" if diverged else "",
        f"finished runs without weights lack {', '.join(sorted(lost))}" if lost else "",
        f"finished runs lack in their middle, which only training can measure, {', '.join(sorted(too_late))}"
        if too_late
        else "",
    ]
    note += "".join(f"; {remark}" for remark in remarks if remark)
    return PendingCells(tuple(cells), continues, begun, diverged, done, note)


def steps_begun(
    snapshot: Snapshot, rows: Mapping[str, Row], unfinished: Iterable[str], continues: Mapping[str, str]
) -> dict[str, int]:
    """run_id -> step from which it resumes, of its newest checkpoint or of the end of the shorter run that it
    continues; of those that do."""
    shorter = {key: int(rows[earlier]["steps"]) for key, earlier in continues.items()}
    steps = {key: snapshot.checkpointed_step(key) or shorter.get(key, 0) for key in unfinished}
    return {key: step for key, step in steps.items() if step}


def leaves_out(store: Store, cells: Collection[str]) -> str:
    """What becomes of the stored grid's cells where a grid of these run_ids is launched; empty where it has them
    all."""
    stored = {row["run_id"] for row in store.read_cells()}
    if not (gone := len(stored.difference(cells))):
        return ""
    return (
        f"note: a launch replaces the grid of {store.root} ({counted(len(stored), 'cell')}) by this one "
        f"({counted(len(cells), 'cell')}) and leaves {gone} out: runs stay and reports count them, status.py no longer "
        "does. For a part of a grid give --only; for a sweep of its own, name=NEW"
    )


def record_launch(sweep: Sweep) -> None:
    """Keep the grid, and its cells resolved: status needs neither the data nor the folder it was launched from. Says
    which stored cells it leaves out."""
    rows = [
        {
            "run_id": run_id(cell),
            **{name: getattr(cell, name) for name in ("P", "D", "K", "seed")},
            "steps": steps_of(cell),
            "spec": spec_to_json(cell),
        }
        for cell in sweep.grid_cells
    ]
    if said := leaves_out(sweep.store, [row["run_id"] for row in rows]):
        print_wrapped(said, sys.stderr)
    sweep.store.write_grid(sweep.text)
    sweep.store.write_cells(rows)
    drop_stop(sweep.store.root)


def terminal(stderr: bool = False) -> Console:
    """Wide enough for tables where the output is not a terminal."""
    console = Console(stderr=stderr)
    bounded = console.is_terminal or columns(sys.stderr if stderr else sys.stdout)
    return console if bounded else Console(stderr=stderr, width=160)
