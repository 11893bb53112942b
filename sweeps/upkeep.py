"""Check and compact a result store: `python sweeps/store.py check|compact RESULTS`."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer
from rich.console import Console
from rich.progress import track

from sweeps.errors import UserError
from sweeps.places import at, modified, read_table, write_atomically
from sweeps.store import (
    RUN_SCHEMA,
    TRAJECTORY_SCHEMA,
    Store,
    chunk_steps,
    parquet_bytes,
    read_run_row,
    visible_chunks,
)

LEFTOVER_SECONDS = 3600.0  # a temporary file this old belongs to nobody
EXAMPLE = "Example: python sweeps/store.py check results/quickstart"
RESULTS = Annotated[str, typer.Argument(help="A sweep's folder or URL, such as results/quickstart.")]
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Finding:
    """Something wrong with a file, and what was done about it."""

    file: Path
    problem: str
    remedy: str


@app.command(epilog=EXAMPLE)
def check(
    results: RESULTS, repair: Annotated[bool, typer.Option(help="Repair what can be repaired safely.")] = True
) -> None:
    """Verify every file; exit code 1 where something is wrong, repaired or not."""
    store = _opened(results)
    try:
        findings = list(examine(store, repair))
    except UserError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    for finding in findings:
        print(f"{finding.file}: {finding.problem}; {finding.remedy}")
    runs = len(list((store.root / "runs").glob("*.parquet")))
    print(f"{runs} runs checked, {len(findings)} problems")
    raise typer.Exit(1 if findings else 0)


@app.command(epilog="Example: python sweeps/store.py compact results/quickstart")
def compact(results: RESULTS) -> None:
    """Merge the chunks of each finished run into one file; readers see each step once at every moment."""
    store = _opened(results)
    finished = [run_id for run_id, status in store.statuses().items() if status == "finished"]
    merged = sum(compact_run(store, run_id) for run_id in _tracked(finished, "compacting"))
    print(f"{merged} files merged into {len(finished)}")


def compact_run(store: Store, run_id: str) -> int:
    """Merge a finished run's chunks; the number of files that were merged (0 where there was one already).

    The merged file appears before the others go: until then they lie inside it, where readers pass them over.
    """
    files = sorted((store.root / "trajectories" / run_id).glob("[0-9]*.parquet"))
    if len(files) < 2:
        return 0
    visible = visible_chunks(files)
    table = pa.concat_tables([read_table(file, schema=TRAJECTORY_SCHEMA) for file in visible])
    first, last = chunk_steps(visible[0])[0], chunk_steps(visible[-1])[1]
    whole = visible[0].with_name(f"{first:08d}-{last:08d}.parquet")
    if len(visible) > 1:
        write_atomically(whole, parquet_bytes(table))
    for file in files:
        if file != whole:
            file.unlink()
    return len(files)


def examine(store: Store, repair: bool) -> Iterator[Finding]:
    """What is wrong in a store. With `repair`: leftovers are removed; damaged files are set aside, with the row
    and the checkpoints of their run, whose cell the next launch then trains again."""
    yield from _leftovers(store, repair)
    for file in store.set_aside_damaged_runs() if repair else []:
        yield Finding(file, "row cannot be read", "set aside, its cell will be run again")
    for file in sorted((store.root / "runs").glob("*.parquet")):
        row = read_run_row(file)
        if row is None:
            yield Finding(file, "row cannot be read", "left as it is")
        elif not read_table(file).schema.equals(RUN_SCHEMA):
            yield Finding(file, "columns are not those of this version", "left as it is")
    folders = sorted(path for path in (store.root / "trajectories").glob("*") if path.is_dir())
    for folder in _tracked(folders, "checking"):
        yield from _trajectory(store, folder, repair)
    for file in sorted((store.root / "checkpoints").glob("*/*.ckpt")):
        content = file.read_bytes()
        if hashlib.sha256(content[32:]).digest() != content[:32]:
            if repair:
                store.set_aside(file)
            yield Finding(file, "checkpoint is damaged", "set aside" if repair else "left as it is")


def _leftovers(store: Store, repair: bool) -> Iterator[Finding]:
    for file in sorted(store.root.rglob(".*.tmp")):
        if time.time() - modified(file) > LEFTOVER_SECONDS:
            if repair:
                file.unlink()
            yield Finding(file, "temporary file of a process that died", "removed" if repair else "left as it is")


def _trajectory(store: Store, folder: Path, repair: bool) -> Iterator[Finding]:
    run_id, broken = folder.name, False
    files = sorted(folder.glob("[0-9]*.parquet"))
    for file in files:
        problem = _chunk_problem(file, run_id)
        if problem:
            broken = True
            if repair:
                store.set_aside(file)
            yield Finding(file, problem, "set aside" if repair else "left as it is")
    row_file = store.root / "runs" / f"{run_id}.parquet"
    row = read_run_row(row_file) if row_file.exists() else None
    steps, next_step = [chunk_steps(file) for file in store.chunks(run_id)], 0
    for first, last in steps:
        if first != next_step:
            broken = True
            yield Finding(folder, f"steps {next_step}..{first - 1} are missing or stand twice", "see below")
        next_step = last + 1
    if row is not None and row["steps"] != next_step and not broken:
        broken = True
        yield Finding(folder, f"holds {next_step} steps, its row says {row['steps']}", "see below")
    if broken:
        if repair:
            if row is not None:
                store.set_aside(row_file)
            store.drop_checkpoints(run_id)
        remedy = "its row and checkpoints are set aside, its cell will be run again" if repair else "left as it is"
        yield Finding(folder, "trajectory is not whole", remedy)
        return
    superseded = set(files) - set(store.chunks(run_id))
    for file in sorted(superseded):
        if repair:
            file.unlink()
        yield Finding(file, "its steps stand in a longer chunk too", "removed" if repair else "left as it is")


def _chunk_problem(file: Path, run_id: str) -> str:
    try:
        table = read_table(file, page_checksum_verification=True)
    except (pa.ArrowException, OSError):
        return "chunk cannot be read"
    if not table.schema.equals(TRAJECTORY_SCHEMA):
        return "columns are not those of this version"
    first, last = chunk_steps(file)
    if table["step"].to_pylist() != list(range(first, last + 1)) or set(table["run_id"].to_pylist()) != {run_id}:
        return "steps or run_id are not those of its name"
    return ""


def _tracked(items: list, what: str) -> Iterator:  # type: ignore[type-arg]
    console = Console(stderr=True)
    return iter(track(items, what, console=console, transient=True, disable=not console.is_terminal))


def _opened(results: str) -> Store:
    if not (at(results) / "runs").is_dir():
        print(f"{results} is not a sweep's folder; give one such as results/quickstart", file=sys.stderr)
        raise typer.Exit(2)
    return Store(results)
