"""SQL over a sweep's tables `runs`, `trajectories`, `fits`, `peaks`.

python analysis/query.py results/quickstart "SELECT P, D, percent_error FROM runs ORDER BY D, P"
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from analysis.command import RESULTS, app, user_errors
from analysis.tables import ResultsError, open_results

EXAMPLE = 'Example: python analysis/query.py results/quickstart "SELECT P, D, percent_error FROM runs ORDER BY D, P"'
cli = app()


@cli.command(epilog=EXAMPLE)
@user_errors
def query(
    results: RESULTS,
    sql: Annotated[str, typer.Argument(help="A DuckDB query.")],
    csv: Annotated[Path | None, typer.Option(help="Write the answer to a CSV file instead.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
) -> None:
    """Answer an SQL query over the sweep's tables."""
    if csv and as_json:
        raise ResultsError("give --csv or --json, not both")
    frame = open_results(results).sql(sql)
    if csv:
        frame.to_csv(csv, index=False)
        print(f"{len(frame)} rows in {csv}")
    elif as_json:
        print(frame.to_json(orient="records", date_format="iso", double_precision=15, indent=2))
    else:
        print_table(frame)


def print_table(frame: pd.DataFrame, title: str | None = None) -> None:
    """A frame as a table in the terminal; cells are never cut."""
    table = Table(title=title, title_justify="left")
    for name in frame.columns:
        numeric = pd.api.types.is_numeric_dtype(frame[name])
        table.add_column(str(name), justify="right" if numeric else "left", overflow="fold")
    for row in frame.itertuples(index=False):
        table.add_row(*(_cell(value) for value in row))
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = max(80, Console(width=10_000).measure(table).maximum)
    console.print(table)
    console.print(f"{len(frame)} rows" if len(frame) != 1 else "1 row")


def _cell(value: object) -> str:
    if value is None or value is pd.NaT or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


if __name__ == "__main__":
    cli()
