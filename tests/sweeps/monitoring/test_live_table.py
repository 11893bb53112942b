"""What a launch says beside its table."""

import io

from rich.console import Console

from sweeps.config.settings import ResourceSettings
from sweeps.execution.executor_settings import Progress
from sweeps.monitoring.live_table import LiveTable
from sweeps.planning.machine import Machine
from sweeps.planning.plan import plan
from sweeps.storage.run_status import RunStatus


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
