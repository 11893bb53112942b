"""Launch a grid: `python sweeps/launch.py sweeps/grids/quickstart.yaml`.

Trains the cells that the store does not have yet, resumes those that were interrupted, retries those that
failed. Exit code 0: every cell has finished; 1: some have not, each listed with its reason; 2: bad input,
nothing written; 130: interrupted.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from sweeps.storage.errors import UserError
from sweeps.storage.files_and_urls import at, is_local, write_atomically

EXAMPLE = "Example: python sweeps/launch.py sweeps/grids/quickstart.yaml --only 'P=64,D=64'"
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
SELECTABLE = ("P", "D", "K", "seed", "run_id")


@app.command(epilog=EXAMPLE)
def launch(
    grid: Annotated[Path, typer.Argument(help="Grid file (YAML).")],
    results: Annotated[str, typer.Option(help="Folder or URL (s3://, gs://) of the sweeps' folders.")] = "results",
    plan: Annotated[bool, typer.Option("--plan", help="Print cells and costs, and stop.")] = False,
    address: Annotated[str | None, typer.Option(help="Join a running Ray cluster: auto, or its address.")] = None,
    only: Annotated[str | None, typer.Option(help="Cells to run, such as 'P=64,D=64' or 'P=64|128,K=2'.")] = None,
    max_concurrent: Annotated[int | None, typer.Option(min=1, help="Most cells at once.")] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Measure each cell's step and memory first; with --plan, then stop.")
    ] = False,
    time_limit: Annotated[str | None, typer.Option(help="Stop after so long, such as 90s, 30m, 2h or 1d.")] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard files too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan or the outcome as JSON.")] = False,
) -> None:
    """Run every cell of a grid, or what is missing of it."""
    from sweeps.grid.grid_file import load_grid

    try:
        spec = load_grid(grid)
        cells = _selected(spec.cells, only)
        deadline = time.monotonic() + _seconds(time_limit)
        limits = {"max_concurrent": max_concurrent, "deadline": deadline, "tensorboard": tensorboard}
        if plan and calibrate:
            _calibrate(spec, cells, results, address, limits)
        if plan:
            code = _plan(spec, cells, results, max_concurrent, as_json)
        else:
            code = _launch(spec, cells, results, address, limits, calibrate, as_json)
    except UserError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    raise typer.Exit(code)


def _selected(cells: tuple[Any, ...], only: str | None) -> tuple[Any, ...]:
    """The cells that `only` names: KEY=VALUE[|VALUE...] joined by commas, all of which must hold."""
    from mmcr_core.spec import run_id

    if only is None:
        return cells
    wanted: dict[str, set[str]] = {}
    for part in only.split(","):
        match = re.fullmatch(r"\s*(\w+)\s*=\s*([\w|]+)\s*", part)
        if not match or match[1] not in SELECTABLE:
            keys = ", ".join(SELECTABLE)
            raise UserError(f"--only: '{part}' is not KEY=VALUE with one of {keys}; such as 'P=64|128,K=2'")
        wanted.setdefault(match[1], set()).update(match[2].split("|"))

    def value(cell: Any, key: str) -> str:
        return run_id(cell) if key == "run_id" else str(getattr(cell, key))

    chosen = tuple(cell for cell in cells if all(value(cell, key) in any_of for key, any_of in wanted.items()))
    if not chosen:
        raise UserError(f"--only: no cell of the grid has {only}; see --plan for the cells")
    return chosen


def _plan(spec: Any, cells: tuple[Any, ...], results: str, max_concurrent: int | None, as_json: bool) -> int:
    import torch

    from sweeps.running.plan import plan as make_plan
    from sweeps.running.plan import schedule, this_machine
    from sweeps.running.live_table import duration, plan_table
    from sweeps.storage.sweep_store import Store

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    machine = this_machine(torch.cuda.device_count(), cores)
    planned = make_plan(cells, spec.settings.resources, machine, len(spec.cells))
    statuses = Store(at(results) / spec.settings.name).statuses()
    left = [cell for cell in planned if statuses.get(cell.run_id) != "finished"]
    times = {cell.run_id: time for cell, time in zip(left, schedule(left, machine, max_concurrent), strict=True)}
    seconds = max((end for _, end in times.values()), default=0.0)
    flops = sum(cell.flops for cell in planned)
    if as_json:
        fields = ("run_id", "steps", "images", "flops", "memory_bytes", "seconds", "gpus", "cpus")
        rows = [
            {name: getattr(cell.spec, name) for name in ("P", "D", "K", "seed")}
            | {name: getattr(cell, name) for name in fields}
            | {"status": statuses.get(cell.run_id, "to run"), "starts_at_seconds": times.get(cell.run_id, (None,))[0]}
            for cell in planned
        ]
        print(json.dumps({"name": spec.settings.name, "cells": rows, "makespan_seconds": seconds}, indent=2))
        return 0
    console = _console()
    console.print(plan_table(planned, statuses, {key: start for key, (start, _) in times.items()}))
    kind = f"{machine.gpus:g} GPUs" if machine.gpus else f"{machine.cpus:g} CPU cores, no GPU"
    packing = f", {round(1 / planned[0].gpus)} cells a GPU" if 0 < planned[0].gpus < 1 else ""
    print(
        f"{len(planned)} cells, {flops:.3e} FLOPs; {len(left)} to run, about {duration(seconds)} on this machine "
        f"({kind}{packing}). {_basis(planned)}"
    )
    return 0


def _basis(planned: list[Any]) -> str:
    measured = sum(cell.measured for cell in planned)
    if measured == len(planned):
        return "Time and memory as measured on this kind of device."
    return f"Time and memory are estimates ({measured} of {len(planned)} cells measured; --calibrate measures all)."


def _calibrate(spec: Any, cells: tuple[Any, ...], results: str, address: str | None, limits: dict[str, Any]) -> None:
    """Measure what was not measured before; nothing is written but the user's cache."""
    from mmcr_core.images.datasets import DatasetError, require_present
    from sweeps.running.driver import cluster
    from sweeps.running.plan import plan as make_plan
    from sweeps.running.plan import this_machine
    from sweeps.storage.sweep_store import Store

    try:
        for dataset in {cell.dataset for cell in cells}:
            require_present(dataset)
    except DatasetError as error:
        raise UserError(str(error)) from error
    with cluster(address) as ray:
        machine = this_machine(ray.gpus, ray.cpus)
        planned = make_plan(cells, spec.settings.resources, machine, len(spec.cells))
        _measure(spec, planned, Store(at(results) / spec.settings.name), ray, limits)


def _measure(spec: Any, planned: list[Any], store: Any, ray: Any, limits: dict[str, Any]) -> None:
    from sweeps.running.driver import Launch
    from sweeps.running.live_table import LiveTable

    with LiveTable([cell for cell in planned if not cell.measured], _console(stderr=True)) as table:
        Launch(spec.settings, store, table, ray.folder, **limits).calibrate(planned)


def _launch(
    spec: Any,
    cells: tuple[Any, ...],
    results: str,
    address: str | None,
    limits: dict[str, Any],
    calibrate: bool,
    as_json: bool,
) -> int:
    from mmcr_core.images.datasets import DatasetError, require_present
    from mmcr_core.spec import run_id
    from sweeps.running.driver import Launch, Outcome, check_resources, cluster
    from sweeps.running.plan import plan as make_plan
    from sweeps.running.plan import this_machine
    from sweeps.running.live_table import LiveTable
    from sweeps.storage.sweep_store import Store

    store = Store(at(results) / spec.settings.name)
    if limits["tensorboard"] and not is_local(store.root):
        raise UserError("--tensorboard: needs --results in a folder, not at a URL")
    if is_local(store.root) and store.root.is_symlink():
        raise UserError(f"{store.root} is a link; a sweep's folder must lie in {results} itself")
    for damaged in store.set_aside_damaged_runs():
        print(f"{damaged} is damaged and was set aside; its cell is run again", file=sys.stderr)
    statuses = store.statuses()
    missing = tuple(cell for cell in cells if statuses.get(run_id(cell)) != "finished")
    done = len(cells) - len(missing)
    note = f"{len(cells)} cells: {done} have finished already, {len(missing)} to run"
    outcome = Outcome()
    if missing:
        try:
            for dataset in {cell.dataset for cell in missing}:
                require_present(dataset)
        except DatasetError as error:
            raise UserError(str(error)) from error
        _require_writable(results)
        with cluster(address) as ray:
            machine = this_machine(ray.gpus, ray.cpus)
            planned = make_plan(missing, spec.settings.resources, machine, len(spec.cells))
            check_resources(planned, ray.gpus, ray.cpus)
            store.write_grid(spec.text)
            console = _console(stderr=True)
            console.print(note, highlight=False)
            if calibrate or (machine.gpu_memory_bytes and spec.settings.resources.gpus == "auto"):
                _measure(spec, planned, store, ray, limits)
                planned = make_plan(missing, spec.settings.resources, machine, len(spec.cells))
            with LiveTable(planned, console) as table:
                outcome = Launch(spec.settings, store, table, ray.folder, **limits).run(planned)
    else:
        print(note, file=sys.stderr)
    return _summary(spec, cells, store, done, outcome, as_json)


def _seconds(text: str | None) -> float:
    """'90s', '30m', '2h' or '1d' in seconds."""
    if text is None:
        return math.inf
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not match or float(match[1]) == 0:
        raise UserError(f"--time-limit: '{text}' is not a time; use a number with s, m, h or d, such as 90s or 2h")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]


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


def _summary(spec: Any, cells: tuple[Any, ...], store: Any, done: int, outcome: Any, as_json: bool) -> int:
    from mmcr_core.spec import run_id

    code = 130 if outcome.interrupted and not outcome.timed_out else 1 if outcome.unfinished or outcome.timed_out else 0
    if as_json:
        summary = {
            "name": spec.settings.name,
            "results": str(store.root),
            "finished_before": done,
            "finished": outcome.finished,
            "unfinished": outcome.unfinished,
            "interrupted": outcome.interrupted,
            "timed_out": outcome.timed_out,
        }
        print(json.dumps(summary, indent=2))
        return code
    by_id = {run_id(cell): cell for cell in cells}
    for key, reason in outcome.unfinished.items():
        cell = by_id[key]
        print(f"{key} P={cell.P} D={cell.D} K={cell.K} seed={cell.seed}: {reason}", file=sys.stderr)
    failed = sum(not reason.startswith("left") for reason in outcome.unfinished.values())
    stopped = "stopped at the time limit" if outcome.timed_out else "interrupted"
    left = len(cells) - done - len(outcome.finished) - len(outcome.unfinished)
    print(
        f"{spec.settings.name}: {done + len(outcome.finished)} of {len(cells)} cells finished"
        + (f", {failed} failed (launch again to retry)" if failed else "")
        + (f", {len(outcome.unfinished) - failed} left to another launch" if len(outcome.unfinished) > failed else "")
        + (f", {stopped} with {left} to go (launch again to go on)" if outcome.interrupted else "")
        + f"; results in {store.root}"
    )
    return code


def _console(stderr: bool = False) -> Console:
    """Wide enough for the plan where the output is not a terminal."""
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=140)


if __name__ == "__main__":
    app()
