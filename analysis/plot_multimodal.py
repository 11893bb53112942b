"""Objectives on image-text pairs: zero-shot accuracy, retrieval, percent error and modality gap against batch size.

Writes figures/multimodal.{png,pdf}, multimodal.csv and multimodal_crossings.csv, and says at which batch size
objectives cross, with an interval over seeds.
"""

from __future__ import annotations

import sys

from analysis.cli.command_options import BEST_OVER, FIGURES, RESULTS, WIDTH
from analysis.cli.printed_width import Width
from sweeps.cli.app import guarded, new_app
from sweeps.cli.console import print_wrapped

EXAMPLE = "Example: python analysis/plot_multimodal.py results/multimodal-glyphs"
app = new_app()


@app.command(epilog=EXAMPLE)
@guarded
def main(results: RESULTS, width: WIDTH = Width.PAGE, output: FIGURES = None, best_over: BEST_OVER = None) -> None:
    """Draw what objectives on image-text pairs end with against the batch size, and say where they cross."""
    from analysis.cli.opening import open_pooled
    from analysis.cli.output_files import print_paths, write_csv
    from analysis.comparisons import multimodal
    from analysis.comparisons.multimodal_crossings import crossings, describe_crossings
    from analysis.figures.multimodal_figure import multimodal_figures

    with open_pooled(results, best_over, output, width) as (opened, folder):
        compared, remark = multimodal.at_equal_images(multimodal.required(opened))
        if remark:
            print(f"note: {remark}", file=sys.stderr)
        found, crossed = multimodal.over_batches(compared), crossings(compared)
        pictures = multimodal_figures(compared, folder)
        write_csv(found, folder / "multimodal.csv")
        write_csv(crossed, folder / "multimodal_crossings.csv")
        for line in describe_crossings(crossed):
            print_wrapped(line)
        print_paths(pictures)


if __name__ == "__main__":
    app()
