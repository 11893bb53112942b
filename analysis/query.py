"""SQL over a sweep's tables `runs`, `trajectories`, `fits`, `peaks`, `grid_law`.

python analysis/query.py results/quickstart "SELECT P, D, percent_error FROM runs ORDER BY D, P"
python analysis/query.py results/quickstart --schema
python analysis/query.py results/quickstart --examples
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from analysis.pages.command_options import RESULTS, app, user_errors
from analysis.reading.results import Results, ResultsError, open_results, write_file

EXAMPLE = 'Example: python analysis/query.py results/quickstart "SELECT P, D, percent_error FROM runs ORDER BY D, P"'
EXAMPLES = {
    "The percent error of each cell, seeds averaged": (
        "SELECT P, D, K, avg(percent_error) AS error, stddev(percent_error) AS between_seeds, count(*) AS seeds "
        "FROM runs WHERE status = 'finished' GROUP BY ALL ORDER BY K, D, P"
    ),
    "For each D and K, the P of the largest error": (
        "SELECT D, K, arg_max(P, percent_error) AS largest_at, max(percent_error) AS error FROM runs "
        "GROUP BY ALL ORDER BY K, D"
    ),
    "Every tenth of a run, one row": (
        "SELECT P, D, K, t.step * 10 // r.steps AS tenth, avg(t.percent_error) AS error FROM trajectories t "
        "JOIN runs r USING (run_id) GROUP BY ALL ORDER BY K, D, P, tenth"
    ),
    "What did not finish, and why": "SELECT P, D, K, seed, status, error FROM runs WHERE status <> 'finished'",
    "A setting from the stored spec": (
        "SELECT P, D, spec->>'$.optimizer.learning_rate' AS learning_rate, percent_error FROM runs ORDER BY P, D"
    ),
    "Cost in device-hours of each cell": (
        "SELECT P, D, K, sum(wall_seconds) / 3600 AS hours, avg(images_per_second) AS speed FROM runs GROUP BY ALL "
        "ORDER BY hours DESC"
    ),
    "Laws that are trusted (after plot_scaling.py)": (
        "SELECT P, D, K, floor, alpha, alpha_low, alpha_high FROM fits WHERE trusted ORDER BY K, D, P, floor"
    ),
    "The law of the grid, best floor first (after plot_grid_law.py)": (
        'SELECT floor, "column", alpha, alpha_low, alpha_high, test_error, test_coverage FROM grid_law ORDER BY aicc'
    ),
    "Peaks (after plot_double_descent.py)": (
        'SELECT along, "at", K, location, location_low, location_high, prominence FROM peaks WHERE found'
    ),
}
cli = app()


@cli.command(epilog=EXAMPLE)
@user_errors
def query(
    results: RESULTS,
    sql: Annotated[str | None, typer.Argument(help="A DuckDB query.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the answer to a CSV file instead.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Write the answer to a parquet file instead.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Answer with the tables' columns and their types.")] = False,
    examples: Annotated[bool, typer.Option("--examples", help="Print queries to begin with.")] = False,
) -> None:
    """Answer an SQL query over the sweep's tables."""
    if sum((csv is not None, parquet is not None, as_json)) > 1:
        raise ResultsError("give one of --csv, --parquet and --json")
    if sum((sql is not None, schema, examples)) != 1:
        raise ResultsError("give a query, or --schema, or --examples")
    target = csv or parquet
    if target and not target.parent.is_dir():
        raise ResultsError(f"{target}: there is no folder {target.parent}")
    opened = open_results(results)
    if examples:
        print("\n\n".join(f"-- {title}\n{text};" for title, text in EXAMPLES.items()))
        return
    frame = columns(opened) if schema else opened.sql(sql or "")
    if csv:
        write_file(csv, frame.to_csv(index=False).encode())
        print(f"{len(frame)} rows in {csv}")
    elif parquet:
        stream = io.BytesIO()
        frame.to_parquet(stream, index=False)
        write_file(parquet, stream.getvalue())
        print(f"{len(frame)} rows in {parquet}")
    elif as_json:
        print(frame.to_json(orient="records", date_format="iso", double_precision=15, indent=2))
    else:
        print_table(frame)


def columns(results: Results) -> pd.DataFrame:
    """Columns of the tables that there are: table, column, type."""
    return results.sql(
        'SELECT table_name AS "table", column_name AS "column", data_type AS "type" '
        "FROM information_schema.columns ORDER BY table_name, ordinal_position"
    )


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
