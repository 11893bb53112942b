"""How a sweep stands, read from its store by any shell or machine: `python sweeps/status.py results/quickstart`."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from typing import Annotated, Literal

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sweeps.running.survey import CellStatus, survey
from sweeps.storage.errors import UserError

REFRESH_SECONDS = 5.0
EXAMPLE = "Example: python sweeps/status.py results/quickstart --watch"
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog=EXAMPLE)
def status(
    results: Annotated[str, typer.Argument(help="A sweep's folder or URL, such as results/quickstart.")],
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until every cell has ended.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
) -> None:
    """Show finished, running, failed and waiting cells without touching whoever runs them."""
    try:
        cells = survey(results)
        if as_json:
            print(json.dumps([_row(cell) for cell in cells], indent=2))
        elif watch:
            _watch(results)
        else:
            console = Console()
            if not console.is_terminal:
                console.width = 140
            console.print(_shown(cells), highlight=False)
    except UserError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None


def _row(cell: CellStatus) -> dict[str, object]:
    axes = {name: getattr(cell.spec, name) for name in ("P", "D", "K", "seed")}
    named = {name: getattr(cell, name) for name in ("status", "step", "steps", "percent_error", "error")}
    return {"run_id": cell.run_id, **axes, **named}


def _shown(cells: list[CellStatus]) -> Group:
    counts = Counter(cell.status for cell in cells)
    line = Text(f"{len(cells)} cells: " + ", ".join(f"{count} {name}" for name, count in sorted(counts.items())))
    table = Table()
    for name in ("run_id", "P", "D", "K", "seed", "status", "step", "percent error", "reason"):
        justify: Literal["left", "right"] = "left" if name in ("run_id", "status", "reason") else "right"
        table.add_column(name, justify=justify, no_wrap=name != "reason")
    for cell in cells:
        if cell.status in ("waiting", "finished") and len(cells) > 40:
            continue  # the counts above say how many
        axes = (str(getattr(cell.spec, name)) for name in ("P", "D", "K", "seed"))
        error = f"{cell.percent_error:.4f}" if cell.percent_error is not None else ""
        progress = f"{cell.step:,} / {cell.steps:,}"
        table.add_row(cell.run_id, *axes, cell.status, progress, error, (cell.error or "").split(" | earlier")[0])
    return Group(line, table) if table.row_count else Group(line)


def _watch(results: str) -> None:
    with Live(console=Console(), refresh_per_second=1) as live:
        while True:
            cells = survey(results)
            live.update(_shown(cells))
            if all(cell.status in ("finished", "failed", "diverged") for cell in cells):
                return
            time.sleep(REFRESH_SECONDS)


if __name__ == "__main__":
    app()
