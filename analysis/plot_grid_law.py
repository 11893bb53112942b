"""One law of steps, P, D and K for the whole grid: its exponents, and how it foretells the most expensive cells.

Writes figures/forecast.{png,pdf} and grid_law.parquet.
"""

from __future__ import annotations

from analysis.laws.grid_law import grid_laws, law_table, measured_points
from analysis.pages.command_options import FIGURES, RESULTS, new_app
from analysis.pages.grid_law_figures import figures
from analysis.pages.output_files import shown, write_table
from analysis.pages.terminal_table import print_table
from analysis.reading.results import open_results
from sweeps.storage.last_guard import guarded

EXAMPLE = "Example: python analysis/plot_grid_law.py results/quickstart"
app = new_app()


@app.command(epilog=EXAMPLE)
@guarded
def main(
    results: RESULTS,
    output: FIGURES = None,
) -> None:
    """Fit one law to all cells, and test it on the most expensive ones."""
    opened = open_results(results)
    laws = grid_laws(measured_points(opened))
    table = law_table(laws)
    write_table(table, opened.root / "grid_law.parquet")
    print_table(table, "e = E + A prod x^-alpha; floors in order of AICc")
    for path in figures(laws, output or opened.root / "figures"):
        print(shown(path))


if __name__ == "__main__":
    app()
