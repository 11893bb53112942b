"""Objectives on the same axes: percent error, reconstruction, uniformity and probes against compute, their paths in the
plane of reconstruction and uniformity, measures against the percent error, and a summary of how objectives differ.

Writes figures/objectives.{png,pdf}, plane.{png,pdf}, objectives.csv, and measures.{png,pdf} where capacity, the bound
on mutual information and the like were measured.
"""

from __future__ import annotations

from analysis.cli.command_options import BEST_OVER, FIGURES, RESULTS, WIDTH
from analysis.cli.printed_width import Width
from sweeps.cli.app import guarded, new_app
from sweeps.cli.console import print_wrapped

EXAMPLE = "Example: python analysis/plot_objectives.py results/objectives-digits"
app = new_app()


@app.command(epilog=EXAMPLE)
@guarded
def main(results: RESULTS, width: WIDTH = Width.PAGE, output: FIGURES = None, best_over: BEST_OVER = None) -> None:
    """Draw what each objective does to percent error, reconstruction, uniformity and probes, and compare them."""
    from analysis.cli.opening import analyze
    from analysis.cli.output_files import print_paths, write_csv
    from analysis.cli.terminal_table import print_table
    from analysis.comparisons.gain_over_untrained import gains
    from analysis.comparisons.objective_differences import describe_differences
    from analysis.figures import metric_figures, objective_figures
    from analysis.results.display_names import with_names

    with analyze(results, best_over, output, width) as (analysis, folder):
        opened = analysis.results
        compared = analysis.objective_differences
        pictures = objective_figures.objective_figures(opened, folder) + metric_figures.metric_figures(opened, folder)
        write_csv(compared, folder / "objectives.csv")
        for line in describe_differences(compared):
            print_wrapped(line)
        if not (gained := gains(opened)).empty:
            print_table(
                with_names(gained), "accuracy at the end less that of the untrained network, on the same test images"
            )
        print_paths(pictures)


if __name__ == "__main__":
    app()
