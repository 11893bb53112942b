"""How a sweep stands, read from its store by any shell or machine: `python sweeps/status.py results/quickstart`."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from sweeps.cli.app import guarded, new_app
from sweeps.cli.console import columns, print_wrapped
from sweeps.cli.formatting import counted

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
    from rich.console import Console

    from sweeps.config.axes import varying_keys
    from sweeps.monitoring.status_table import as_row, as_table, stop_text
    from sweeps.monitoring.status_table import watch as watch_cells
    from sweeps.monitoring.sweep_status import survey
    from sweeps.storage.sweep_store import Store

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
        print(json.dumps([as_row(cell, varying) for cell in cells], indent=2))
    elif watch:
        watch_cells(results, console)
    else:
        if columns(sys.stdout) is None:
            console.width = 160
        console.print(as_table(cells, console.width), highlight=False)
    if not as_json and (stopped := stop_text(store, survey(results) if watch else cells)):
        print_wrapped(stopped)


if __name__ == "__main__":
    app()
