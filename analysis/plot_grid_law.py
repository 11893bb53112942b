"""One law of steps, P, D and K for the whole grid: its exponents, and how it foretells the most expensive cells.

Writes figures/forecast.{png,pdf} and grid_law.parquet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analysis.laws.grid_law import grid_laws, law_table, measured_points
from analysis.pages.command_options import RESULTS, new_app, user_errors
from analysis.pages.grid_law_figures import figures
from analysis.pages.output_files import write_table
from analysis.pages.terminal_table import print_table
from analysis.reading.results import open_results

EXAMPLE = "Example: python analysis/plot_grid_law.py results/quickstart"
app = new_app()


@app.command(epilog=EXAMPLE)
@user_errors
def main(
    results: RESULTS,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder of the figure.")] = None,
) -> None:
    """Fit one law to all cells, and test it on the most expensive ones."""
    opened = open_results(results)
    laws = grid_laws(measured_points(opened))
    table = law_table(laws)
    write_table(table, opened.root / "grid_law.parquet")
    print_table(table, "e = E + A prod x^-alpha; floors in order of AICc")
    for path in figures(laws, output or opened.root / "figures"):
        print(path)


if __name__ == "__main__":
    app()
