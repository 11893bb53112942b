"""A part of the paper's grid, trained into a store as on any machine: `launch.py` of the same grid file finds these
cells finished.

The images are decoded once a process and live on the device. A cell whose process must end goes on in a fresh one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import yaml

from mmcr_core.config.defaults import VIEW_RECIPES, run_spec
from mmcr_core.config.run import (
    BudgetSpec,
    DatasetSpec,
    EncoderSpec,
    EvaluateSpec,
    OptimizerSpec,
    ProjectorSpec,
    RunSpec,
    ViewSpec,
)
from mmcr_core.config.run_id import canonical_json, run_id
from mmcr_core.data import registry
from mmcr_core.data.registry import steps_of
from mmcr_core.objectives import objective_spec
from sweeps.execution import run_metadata
from sweeps.execution.checkpointing import NO_GRAPHS
from sweeps.execution.retries import RESTARTS
from sweeps.execution.run_executor import RunExecutor
from sweeps.storage.run_status import RunStatus
from sweeps.storage.sweep_store import Store
from tests.benchmarks.gpu import rows
from tests.benchmarks.gpu.costs import Costs, in_order
from tests.benchmarks.gpu.rows import Row
from tests.benchmarks.gpu.specs import image_file, trial_settings
from tests.benchmarks.gpu.stage import Setting, Tasks

TRIES = 1 + RESTARTS
REPOSITORY = Path(__file__).parents[3]
GRID = REPOSITORY / "sweeps" / "grids" / "tiny-imagenet.yaml"
REHEARSED = Path(__file__).parent / "rehearsal.yaml"
SLICE_SECONDS = 0.5
LEAVE_SECONDS = 1.5  # before the deadline


def tasks(setting: Setting) -> Tasks:
    grid = GRID if setting.real else REHEARSED
    if setting.real and setting.images is None:
        return {"images": lambda: [{"left_out": "no parquet file of images; give --images FILE"}]}
    if setting.commit:
        run_metadata.git_commit = lambda: setting.commit or "unknown"  # type: ignore[assignment]
    cells = cells_of(grid, put_in_place(setting, grid))
    store = Store(Path(setting.work) / "store" / name_of(grid))
    if not store.read_cells():
        store.write_grid(grid.read_text())
        store.write_cells([cell_row(cell) for cell in cells])
    costs = known_costs(setting)
    ordered = [cells[index] for index in in_order([(cell.P, cell.D, cell.K) for cell in cells])]
    return {
        "images": lambda: [load_images(setting, ordered[0])],
        **{title(cell): lambda cell=cell: train(setting, store, cell, costs) for cell in ordered},
    }


def put_in_place(setting: Setting, grid: Path) -> str:
    """The images under the path that the grid file says, from this process's folder: what a run's row says of its data
    set is then the same on every machine."""
    os.chdir(setting.work)
    path = Path(yaml.safe_load(grid.read_text())["dataset"]["path"])
    if not path.exists() and setting.images:
        path.parent.mkdir(exist_ok=True)
        path.symlink_to(setting.images)
    elif not path.exists():
        image_file(setting)
    return str(path)


def cells_of(grid: Path, images: str) -> list[RunSpec]:
    """The cells of a grid file of P, D and K alone, as sweeps.config.grid_file reads them, without pydantic."""
    keys: dict[str, Any] = yaml.safe_load(grid.read_text())
    dataset = DatasetSpec(**keys["dataset"] | {"path": images})
    dataset = replace(dataset, digest=registry.content_digest(dataset))
    parts = {
        "objective": objective_spec(keys["objective"]),
        "encoder": EncoderSpec(**keys["encoder"]),
        "projector": ProjectorSpec(tuple(keys["projector"]["hidden"])),
        "seed": keys["seed"],
        "optimizer": OptimizerSpec(**keys["optimizer"]),
        "views": views_of(keys["views"]),
        "precision": keys["precision"],
        "evaluate": EvaluateSpec(**keys["evaluate"]),
    }
    budget = BudgetSpec(**keys["budget"])
    shapes = [(P, D, K) for P in keys["P"] for D in keys["D"] for K in keys["K"]]
    return [run_spec(dataset, P, D, K, budget, **parts) for P, D, K in shapes]


def views_of(given: str | dict[str, Any]) -> ViewSpec:
    """A recipe by its name, or a mapping that starts from one."""
    changed = {"recipe": given} if isinstance(given, str) else dict(given)
    return replace(VIEW_RECIPES[changed.pop("recipe")], **changed)


def name_of(grid: Path) -> str:
    return str(yaml.safe_load(grid.read_text())["name"])


def cell_row(spec: RunSpec) -> dict[str, Any]:
    """What the store keeps of a cell before it is trained."""
    shape = {name: getattr(spec, name) for name in ("P", "D", "K", "seed")}
    return {"run_id": run_id(spec), **shape, "steps": steps_of(spec), "spec": canonical_json(asdict(spec))}


def title(spec: RunSpec) -> str:
    return f"P={spec.P} D={spec.D} K={spec.K}"


def load_images(setting: Setting, spec: RunSpec) -> Row:
    began = time.perf_counter()
    images = registry.load(spec.dataset, setting.device)
    counts = {"images": len(images.train), "heldout": len(images.heldout), "skipped": len(images.skipped)}
    return {"s": time.perf_counter() - began, "side": images.train.shape[1], "path": spec.dataset.path, **counts}


def known_costs(setting: Setting) -> Costs:
    """Rates that `speed` found with eager views, and what cells of an earlier process took."""
    costs = Costs()
    for row in rows.read(setting.rows_file):
        if row.get("stage") == "speed" and row.get("views") == "eager":
            costs.rates[row["P"], row["K"]] = row["images/s"]
        if row.get("stage") == "grid_cells" and row.get("status") == RunStatus.FINISHED:
            costs.learn(row["P"], row["K"], row["images"], row["trained s"], row["s"])
    return costs


def train(setting: Setting, store: Store, spec: RunSpec, costs: Costs) -> Iterator[Row]:
    """One cell, if there is time for it."""
    shape = {"P": spec.P, "D": spec.D, "K": spec.K, "run_id": run_id(spec)}
    images = steps_of(spec) * spec.P
    needed, left = costs.seconds(spec.P, spec.K, images), setting.seconds_left() - LEAVE_SECONDS
    if needed > left:
        yield shape | {"left_out": f"{left:.0f} s were left, it needs {needed:.0f}"}
        return
    eager = bool(store.read_note(run_id(spec), NO_GRAPHS))
    how = trial_settings(setting)
    began = time.perf_counter()
    trial = RunExecutor(spec, store, store.root.name, how, launch="gpu")
    while (progress := trial.advance(SLICE_SECONDS)).status is RunStatus.RUNNING:
        if setting.seconds_left() < LEAVE_SECONDS:
            trial.stop()
            yield shape | {"left_out": f"stopped at step {progress.step} of {progress.steps}: no time was left"}
            return
    seconds = time.perf_counter() - began
    row = shape | {"status": progress.status, "error": progress.error, "s": seconds, "notes": list(progress.notes)}
    if progress.status is RunStatus.FINISHED:
        kept = store.read_run(run_id(spec))
        costs.learn(spec.P, spec.K, images, kept["wall_seconds"], seconds)
        row |= {"percent_error": kept["percent_error"], "heldout_percent_error": kept["heldout_percent_error"]}
        row |= {"images": images, "trained s": kept["wall_seconds"], "images/s": kept["images_per_second"]}
        row |= {"GiB": kept["peak_memory_bytes"] / 2**30, "expected s": needed}
        row["no_graphs"] = eager
    yield row
    if progress.process_ends:
        raise SystemExit(75)
