"""How a sweep stands, read from its store by any shell or machine: `python sweeps/status.py results/quickstart`."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections import Counter
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sweeps.cli.app import guarded, new_app
from sweeps.cli.console import columns, fitting, print_wrapped
from sweeps.cli.formatting import counted
from sweeps.config.axes import PAPER, column, text_of, varying_keys
from sweeps.monitoring.launch_outcome import latest
from sweeps.monitoring.sweep_status import CellStatus, survey
from sweeps.storage.decisions import read_stop
from sweeps.storage.run_status import RunStatus
from sweeps.storage.sweep_store import Store

REFRESH_SECONDS = 5.0
MANY = 40  # cells, from which on those that wait or have finished are counted and not listed
SPARE = ("step", "seed", "run_id")  # columns that a narrow terminal goes without, in this order
REASON = 30  # columns that reasons take at least, in lines as many as they need
EXAMPLE = "Example: python sweeps/status.py results/quickstart --watch"
app = new_app()


@app.command(epilog=EXAMPLE)
@guarded
def status(
    results: Annotated[str, typer.Argument(help="A sweep's folder or URL, such as results/quickstart.")],
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Refresh until every cell has ended, or the launch has met its target."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
) -> None:
    """Show finished, running, failed and waiting cells without touching whoever runs them."""
    store = Store(results)
    snapshot = store.snapshot()
    cells = survey(results, snapshot)
    if store.cells_damaged():
        what = "cells.parquet cannot be read: only runs that have begun are shown; the next launch writes it anew"
        print_wrapped(f"note: {what}", sys.stderr)
    if damaged := ", ".join(file.name for file in snapshot.damaged):
        print_wrapped(f"note: damaged in runs/: {damaged}; `store.py check {results}` sets them aside", sys.stderr)
    if others := len(snapshot.ended() - {cell.run_id for cell in cells} - {file.stem for file in snapshot.damaged}):
        what = f"{counted(others, 'run')} of other grids in this folder: reports count them too, this table does not"
        print_wrapped(f"note: {what}", sys.stderr)
    console = Console()
    if as_json:
        varying = varying_keys([cell.keys for cell in cells])
        print(json.dumps([_row(cell, varying) for cell in cells], indent=2))
    elif watch:
        _watch(results, console)
    else:
        if columns(sys.stdout) is None:
            console.width = 160
        console.print(_shown(cells, console.width), highlight=False)
    if not as_json and (stopped := _stopped(store, survey(results) if watch else cells)):
        print_wrapped(stopped)


def _row(cell: CellStatus, varying: list[str]) -> dict[str, object]:
    axes = {key: cell.keys.get(key) for key in (*PAPER, *varying)}
    named = {name: getattr(cell, name) for name in ("status", "step", "steps", "percent_error", "error")}
    return {"run_id": cell.run_id, **axes, **named, "alarm": _alarm(cell), "log": str(cell.log) if cell.log else None}


def _alarm(cell: CellStatus) -> str:
    return cell.collapse.describe() if cell.collapse else ""


def _counts(cells: list[CellStatus]) -> str:
    counts = Counter(cell.status for cell in cells)
    collapsed = sum(cell.collapse is not None for cell in cells)
    line = f"{counted(len(cells), 'cell')}: " + ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    return line + (f"; {collapsed} collapsed" if collapsed else "")


def _shown(cells: list[CellStatus], width: int) -> Group:
    varying = varying_keys([cell.keys for cell in cells])
    axes = [column(key, varying) for key in (*PAPER, *varying)]
    names = ("run_id", *axes, "status", "step", "percent error", "reason")
    rows = []
    for cell in cells:
        if cell.status in (RunStatus.WAITING, RunStatus.FINISHED) and len(cells) > MANY and not cell.collapse:
            continue  # the counts above say how many
        values = (text_of(cell.keys, key) for key in (*PAPER, *varying))
        error = f"{cell.percent_error:.4f}" if cell.percent_error is not None else ""
        reason = latest(cell.error) + (f" (traceback: {cell.log})" if cell.log else "")
        reason = "; ".join(filter(None, [reason, _alarm(cell)]))
        rows.append((cell.run_id, *values, cell.status, f"{cell.step:,} / {cell.steps:,}", error, reason))
    line = Text(_counts(cells))
    if not rows:
        return Group(line)
    texts = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    reasons = {"reason": [text[:REASON] for text in texts["reason"]]}
    shown = [name for name in fitting(texts | reasons, width, SPARE) if name != "reason" or any(texts["reason"])]
    table = Table()
    for name in shown:
        left = name in ("run_id", "status", "reason")
        table.add_column(name, justify="left" if left else "right", no_wrap=name != "reason")
    for row in zip(*(texts[name] for name in shown), strict=True):
        table.add_row(*map(Text, row))
    return Group(line, table)


def _stopped(store: Store, cells: list[CellStatus]) -> str:
    """What an adaptive launch said when its target was met, if nothing was trained since."""
    busy = any(cell.status is RunStatus.RUNNING for cell in cells)
    return "" if busy else read_stop(store.root) or ""


def _watch(results: str, console: Console) -> None:
    """A table that is drawn anew on a terminal, a line a refresh elsewhere."""
    live = Live(console=console, refresh_per_second=1) if console.is_terminal else None
    store = Store(results)
    with live or contextlib.nullcontext():
        while True:
            cells = survey(results)
            if live:
                live.update(_shown(cells, console.width))
            else:
                print(f"{time.strftime('%H:%M:%S')} {_counts(cells)}", flush=True)
            if all(cell.status.ended for cell in cells) or _stopped(store, cells):
                return
            time.sleep(REFRESH_SECONDS)


if __name__ == "__main__":
    app()
