"""Objectives on the same axes: percent error, reconstruction, uniformity and probes against compute, their paths in the
plane of reconstruction and uniformity, and how they differ, in words.

Writes figures/objectives.{png,pdf}, figures/plane.{png,pdf} and figures/objectives.csv.
"""

from __future__ import annotations

from analysis.laws.objective_differences import differences, in_words
from analysis.pages.command_options import BEST_OVER, FIGURES, RESULTS, new_app, open_best
from analysis.pages.objective_figures import figures
from analysis.pages.output_files import shown, write_csv
from sweeps.storage.last_guard import guarded

EXAMPLE = "Example: python analysis/plot_objectives.py results/objectives-digits"
app = new_app()


@app.command(epilog=EXAMPLE)
@guarded
def main(results: RESULTS, output: FIGURES = None, best_over: BEST_OVER = None) -> None:
    """Draw what each objective does to percent error, reconstruction, uniformity and probes, and compare them."""
    opened = open_best(results, best_over)
    folder = output or opened.root / "figures"
    compared = differences(opened)
    pictures = figures(opened, folder)
    write_csv(compared, folder / "objectives.csv")
    for line in in_words(compared):
        print(line)
    for path in pictures:
        print(shown(path))


if __name__ == "__main__":
    app()
