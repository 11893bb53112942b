"""SQL over a sweep's tables `runs`, `trajectories`, `fits`, `peaks`, `grid_law`.

python analysis/query.py results/quickstart "SELECT P, D, percent_error FROM runs ORDER BY D, P"
python analysis/query.py results/quickstart --schema
python analysis/query.py results/quickstart --examples
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analysis.pages.command_options import RESULTS, new_app, user_errors
from analysis.pages.output_files import write_csv, write_table
from analysis.pages.query_examples import EXAMPLES
from analysis.pages.terminal_table import print_table
from analysis.reading.errors import ResultsError
from analysis.reading.results import open_results

EXAMPLE = 'Example: python analysis/query.py results/quickstart "SELECT P, D, percent_error FROM runs ORDER BY D, P"'
app = new_app()


@app.command(epilog=EXAMPLE)
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
    frame = opened.columns() if schema else opened.sql(sql or "")
    if csv:
        write_csv(frame, csv)
        print(f"{len(frame)} rows in {csv}")
    elif parquet:
        write_table(frame, parquet)
        print(f"{len(frame)} rows in {parquet}")
    elif as_json:
        print(frame.to_json(orient="records", date_format="iso", double_precision=15, indent=2))
    else:
        print_table(frame)


if __name__ == "__main__":
    app()
