"""A sweep on a terminal while it runs."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sweeps.cli.console import columns, fitting, wrapped
from sweeps.cli.formatting import duration
from sweeps.config.axes import PAPER, column, keys_of, text_of
from sweeps.execution.executor_settings import Progress
from sweeps.monitoring.standing import Standing
from sweeps.planning.plan import Cell
from sweeps.storage.run_status import RunStatus

BAR = 10  # columns of a progress bar
SPARE = ("progress", "images/s", "run_id")  # columns that a narrow terminal goes without, in this order
SHARES = 10  # of its cells, at whose end a launch without a terminal prints a line
SILENT_SECONDS = 600.0  # that it is silent at most while cells run


class LiveTable:
    """The sweep on a terminal: done, running and failed cells, with an ETA. Without a terminal a line now and then."""

    def __init__(self, cells: list[Cell], console: Console, varying: Sequence[str] = ()) -> None:
        self._console, self._varying = console, varying
        self._work = {cell.run_id: cell.seconds for cell in cells}
        self._done: dict[str, RunStatus] = {}
        self._collapsed: set[str] = set()
        self._running: dict[str, tuple[Cell, Progress | None]] = {}
        self._standing: Standing | None = None
        self._notes: dict[str, set[str]] = {}  # note -> runs that it is about
        self._began = self._printed = time.monotonic()
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=2, transient=True)

    def __enter__(self) -> LiveTable:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._console.is_terminal:
            self._live.stop()
        for note, runs in self._notes.items():
            if len(runs) > 1:
                self._print(f"{len(runs)} runs: {note}")

    def started(self, cell: Cell) -> None:
        self._running[cell.run_id] = (cell, None)

    def progressed(self, cell: Cell, progress: Progress) -> None:
        self._running[cell.run_id] = (cell, progress)
        for note in progress.notes:
            self.noted(note, cell.run_id)
        if time.monotonic() - self._printed >= SILENT_SECONDS:
            self._print_line()

    def noted(self, note: str, run_id: str = "") -> None:
        """Said once, above the table, of the first run that it is about; at the end of how many."""
        if note not in self._notes:
            self._print(f"run {run_id}: {note}" if run_id else note)
        self._notes.setdefault(note, set()).update([run_id] if run_id else [])

    def _print(self, note: str) -> None:
        text = wrapped(note, self._console.width if self._console.is_terminal else columns(sys.stderr))
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def stands(self, standing: Standing) -> None:
        """How an adaptive sweep stands from now on."""
        self._standing = standing

    def ended(self, cell: Cell, progress: Progress) -> None:
        self._running.pop(cell.run_id, None)
        if progress.collapse:
            self._collapsed.add(cell.run_id)
        if progress.status is not RunStatus.PAUSED:
            shares = SHARES * len(self._done) // len(self._work)
            self._done[cell.run_id] = progress.status
            if SHARES * len(self._done) // len(self._work) > shares:
                self._print_line()

    def eta_seconds(self) -> float:
        """Remaining work over the rate so far, with work in units of the plan's estimate."""
        done = sum(self._work[key] for key in self._done)
        for key, (cell, progress) in self._running.items():
            done += self._work[key] * _share(cell, progress) if progress else 0.0
        total, elapsed = sum(self._work.values()), time.monotonic() - self._began
        return elapsed * (total - done) / done if done else math.nan

    def _print_line(self) -> None:
        if not self._console.is_terminal:
            self._printed = time.monotonic()
            self._print(f"{time.strftime('%H:%M:%S')} {self._line()}")

    def _line(self) -> Text:
        failed = sum(status is not RunStatus.FINISHED for status in self._done.values())
        finished, total = len(self._done) - failed, len(self._work)
        if self._standing:
            line = Text(f"{len(self._running)} running, {self._standing.line()}, {failed} failed")
        else:
            line = Text(f"{finished} of {total} done, {len(self._running)} running, {failed} failed")
        if self._collapsed:
            line.append(f", {len(self._collapsed)} collapsed", style="bold red")
        line.append(f", {duration(time.monotonic() - self._began)} so far")
        if not self._standing:
            line.append(f", ETA {duration(self.eta_seconds())}")
        return line

    def _render(self) -> RenderableType:
        line = self._line()
        if not self._running:
            return line
        axes = [column(key, self._varying) for key in (*PAPER, *self._varying)]
        names = ["run_id", *axes, "step", "percent error", "images/s", "progress"]
        if any(progress and progress.collapse for _, progress in self._running.values()):
            names.append("alarm")
        rows = [self._row(cell, progress) for cell, progress in self._running.values()]
        texts = {name: [row[i] for row in rows] for i, name in enumerate(names)}
        table = Table()
        shown = fitting(texts, self._console.width, SPARE)
        for name in shown:
            table.add_column(name, justify="right", no_wrap=True)
        for row, (cell, progress) in zip(rows, self._running.values(), strict=True):
            bar = ProgressBar(total=cell.steps, completed=progress.step if progress else 0, width=BAR)
            drawn: dict[str, RenderableType] = dict(zip(names, row, strict=False))
            drawn |= {"progress": bar, "alarm": Text(row[-1], style="bold red")}
            table.add_row(*(drawn[name] for name in shown))
        return Group(line, table)

    def _row(self, cell: Cell, progress: Progress | None) -> list[str]:
        """Texts of a running cell, an alarm the last; the bar is drawn over its blanks."""
        keys = keys_of(cell.spec)
        shown = ["", "", ""]
        if progress:
            shown = [f"{progress.step:,} / {progress.steps:,}", f"{progress.percent_error:.4f}"]
            shown.append(f"{progress.images_per_second:,.0f}")
        axes = [text_of(keys, key) for key in (*PAPER, *self._varying)]
        return [cell.run_id, *axes, *shown, BAR * " ", _alarm(progress)]


def _share(cell: Cell, progress: Progress) -> float:
    """Of what a launch is to train of a cell."""
    return max(0, progress.step - cell.from_step) / max(1, progress.steps - cell.from_step)


def _alarm(progress: Progress | None) -> str:
    return progress.collapse.describe() if progress and progress.collapse else ""
