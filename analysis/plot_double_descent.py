"""Percent error against P for each D and against D for each P, the peak marked, theory beside it.

Writes figures/double_descent.{png,pdf}, figures/error_map.{png,pdf} (percent error over P x D),
figures/gap.{png,pdf} (reconstruction against uniformity) and peaks.parquet, of the smallest K or, with `--views all`,
of every one; where data sets of several sizes were
trained on (dataset.limit), also figures/levels.{png,pdf} (error and uniformity against that size).
"""

from __future__ import annotations

from analysis.cli.command_options import BEST_OVER, FIGURES, RESULTS, VIEWS, WIDTH
from analysis.cli.printed_width import Width
from sweeps.cli.app import guarded, new_app
from sweeps.cli.console import print_wrapped

EXAMPLE = "Example: python analysis/plot_double_descent.py results/quickstart"
app = new_app()


@app.command(epilog=EXAMPLE)
@guarded
def main(
    results: RESULTS,
    views: VIEWS = "smallest",
    width: WIDTH = Width.PAGE,
    output: FIGURES = None,
    best_over: BEST_OVER = None,
) -> None:
    """Mark where the percent error peaks."""
    from analysis.cli.opening import analyze
    from analysis.cli.output_files import print_paths, write_law
    from analysis.cli.terminal_table import print_table
    from analysis.figures.double_descent_figures import (
        double_descent_figures,
        has_sizes,
        not_drawn,
        summary,
        summary_title,
    )
    from analysis.results.display_names import with_names

    with analyze(results, best_over, output, width) as (analysis, folder):
        write_law(analysis, "peaks", analysis.peaks, output)
        if has_sizes(analysis.finished):
            print_table(with_names(summary(analysis.peaks)), summary_title(analysis.peaks))
        print_paths(double_descent_figures(analysis, folder, views == "all"))
        if said := not_drawn(analysis.finished):
            print_wrapped(said)


if __name__ == "__main__":
    app()
