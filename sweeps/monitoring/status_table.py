"""How a sweep stands, as a table for a terminal and as rows."""

from __future__ import annotations

import contextlib
import time
from collections import Counter

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sweeps.cli.console import fitting
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


def as_row(cell: CellStatus, varying: list[str]) -> dict[str, object]:
    """For JSON; `varying`: keys of settings that are swept."""
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


def as_table(cells: list[CellStatus], width: int) -> Group:
    """For a terminal of so many columns."""
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


def stop_text(store: Store, cells: list[CellStatus]) -> str:
    """What an adaptive launch said when its target was met, if nothing was trained since."""
    busy = any(cell.status is RunStatus.RUNNING for cell in cells)
    return "" if busy else read_stop(store.root) or ""


def watch(results: str, console: Console) -> None:
    """A table that is drawn anew on a terminal, a line a refresh elsewhere."""
    live = Live(console=console, refresh_per_second=1) if console.is_terminal else None
    store = Store(results)
    with live or contextlib.nullcontext():
        while True:
            cells = survey(results)
            if live:
                live.update(as_table(cells, console.width))
            else:
                print(f"{time.strftime('%H:%M:%S')} {_counts(cells)}", flush=True)
            if all(cell.status.ended for cell in cells) or stop_text(store, cells):
                return
            time.sleep(REFRESH_SECONDS)
