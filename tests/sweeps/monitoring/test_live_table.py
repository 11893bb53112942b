"""What a launch says beside its table."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from sweeps.config.settings import ResourceSettings
from sweeps.execution.executor_settings import Progress
from sweeps.monitoring.live_table import LiveTable
from sweeps.planning.machine import Machine
from sweeps.planning.plan import plan, remaining
from sweeps.storage.run_status import RunStatus


def test_the_rest_of_a_cell_that_goes_on_takes_as_long_as_it_does(digits_spec, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("sweeps.monitoring.live_table.time.monotonic", lambda: now[0])
    cells = plan((digits_spec(),), ResourceSettings(), Machine(0, 2, 0, 1e11))
    (cell,) = remaining(cells, {cells[0].run_id: cells[0].steps // 2})
    table = LiveTable([cell], Console(file=io.StringIO()))
    now[0] += 10
    table.progressed(cell, Progress(RunStatus.RUNNING, cell.steps * 3 // 4, cell.steps, 0.1, 1.0))
    assert table.eta_seconds() == pytest.approx(10)


def test_a_notice_about_many_cells_is_a_line_and_their_number(digits_spec):
    cells = plan(tuple(digits_spec(seed=n) for n in range(30)), ResourceSettings(), Machine(0, 2, 0, 1e11))
    written = io.StringIO()
    with LiveTable(cells, Console(file=written, width=200)) as table:
        for cell in cells:
            progress = Progress(RunStatus.RUNNING, 1, 9, 0.1, 1.0, notes=("the views are not compiled: no compiler",))
            table.progressed(cell, progress)
            table.progressed(cell, progress)
    first = f"run {cells[0].run_id}: the views are not compiled: no compiler"
    assert written.getvalue().splitlines() == [first, "30 runs: the views are not compiled: no compiler"]


def test_without_a_terminal_each_tenth_is_a_line_and_so_are_ten_minutes_of_silence(digits_spec, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("sweeps.monitoring.live_table.time.monotonic", lambda: now[0])
    cells = plan(tuple(digits_spec(seed=n) for n in range(30)), ResourceSettings(), Machine(0, 2, 0, 1e11))
    written = io.StringIO()
    running = Progress(RunStatus.RUNNING, 0, 12, 0.1, 1.0)
    with LiveTable(cells, Console(file=written, width=200)) as table:
        for number, cell in enumerate(cells):
            table.started(cell)
            table.progressed(cell, running)
            now[0] += 601 if number == 0 else 1
            table.progressed(cell, running)
            table.ended(cell, replace(running, status=RunStatus.FAILED if number == 4 else RunStatus.FINISHED))
    lines = [line.partition(" ")[2] for line in written.getvalue().splitlines()]
    assert lines[0] == "0 of 30 done, 1 running, 0 failed, 10 min 1 s so far, ETA ?"
    assert [line.split(",")[0] for line in lines[1:]] == [f"{n} of 30 done" for n in (3, *range(5, 30, 3))]
    assert lines[-1] == "29 of 30 done, 0 running, 1 failed, 10 min 30 s so far, ETA 0 s"
