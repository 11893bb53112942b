"""SQL over the tables `runs`, `trajectories`, `measures`, `fits`, `peaks`, `joint_law` of a sweep, or of several.

python analysis/query.py results/quickstart "SELECT P, D, percent_error FROM runs ORDER BY D, P"
python analysis/query.py results/A results/B "SELECT sweep, K, avg(percent_error) FROM runs GROUP BY ALL"
python analysis/query.py results/quickstart --schema
python analysis/query.py results/quickstart --examples
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from analysis.cli.query_examples import EXAMPLES
from analysis.results.errors import ResultsError
from sweeps.cli.app import HELP, guarded, new_app
from sweeps.cli.formatting import counted

EXAMPLE = (
    'Example: python analysis/query.py results/quickstart "SELECT P, D, percent_error FROM runs ORDER BY D, P". '
    'Of several sweeps: python analysis/query.py results/A results/B "SELECT sweep, K, avg(percent_error) FROM runs '
    'GROUP BY ALL". Join tables USING (sweep, run_id): the same cell has the same run_id in every sweep.'
)
ARGUMENTS = "RESULTS... SQL"
SHOWN = 10_000  # rows of an answer in the terminal
app = new_app()


@app.command(epilog=EXAMPLE, context_settings=HELP | {"ignore_unknown_options": True})  # a query may begin with "--"
@guarded
def query(
    arguments: Annotated[
        list[str],
        typer.Argument(metavar=ARGUMENTS, help="Sweeps' folders or URLs, and last a DuckDB query in quotes."),
    ],
    csv: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write the answer to a CSV file instead, - for standard output.")
    ] = None,
    parquet: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write the answer to a parquet file instead.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="In the place of SQL: the tables' columns and their types.")
    ] = False,
    examples: Annotated[bool, typer.Option("--examples", help="In the place of SQL: queries to begin with.")] = False,
) -> None:
    """Answer an SQL query over the tables of a sweep, or of several, distinguished by the column `sweep`."""
    from analysis.cli.output_files import announce, printable, write_csv, write_table
    from analysis.cli.terminal_table import print_table
    from analysis.results.results import Results
    from analysis.results.sweep_folder import sweep_folders

    if sum((csv is not None, parquet is not None, as_json)) > 1:
        raise ResultsError("give one of --csv, --parquet and --json")
    results, sql = _results_and_sql(arguments, schema, examples)
    target = csv or parquet
    if target and not target.parent.is_dir():
        raise ResultsError(f"{target}: there is no folder {target.parent}")
    if target and (inside := [place for place in results if _holds(place, target)]):
        raise ResultsError(f"{target} lies in the sweep {inside[0]}, among its own files; choose another place")
    opened = Results(sweep_folders(results))  # checked as it is read
    if examples:
        print("\n\n".join(f"-- {title}\n{text};" for title, text in EXAMPLES.items()))
        return
    frame = opened.columns() if schema else opened.sql(sql)
    if csv:
        write_csv(frame, csv)
        announce(f"{counted(len(frame), 'row')} in {printable(csv)}", csv)
    elif parquet:
        write_table(frame, parquet)
        announce(f"{counted(len(frame), 'row')} in {printable(parquet)}", parquet)
    elif as_json:
        print(frame.to_json(orient="records", date_format="iso", double_precision=15, indent=2))
    else:
        print_table(frame.head(SHOWN))
        if len(frame) > SHOWN:
            print(f"note: {len(frame):,} rows; --csv, --parquet or --json has all of them", file=sys.stderr)


def _holds(place: str, target: Path) -> bool:
    """Whether a file would lie in a sweep's folder."""
    return "://" not in place and Path(place).resolve() in target.resolve().parents


def _results_and_sql(arguments: list[str], schema: bool, examples: bool) -> tuple[list[str], str]:
    """Folders and query apart; the last argument is the query unless an option takes its place."""
    unknown = [argument for argument in arguments if argument.startswith("-") and len(argument.split()) < 2]
    if unknown:
        raise ResultsError(f"there is no option {unknown[0]}; see --help")
    *others, last = arguments
    is_folder = os.path.isdir(last) or re.fullmatch(r"\w+://\S+", last) is not None
    if schema and examples:
        raise ResultsError("give a query, or --schema, or --examples")
    if schema or examples:
        if others and not is_folder:
            raise ResultsError(f"{last} is not a folder; --schema and --examples take the place of a query")
        return arguments, ""
    if is_folder or not others:
        raise ResultsError(f"after {last} give a query in quotes, or --schema, or --examples")
    return others, last


if __name__ == "__main__":
    app()
