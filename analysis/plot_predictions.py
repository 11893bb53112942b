"""What a sweep's cells end at, trained or not: predicted from all its runs together, with intervals.

python analysis/plot_predictions.py results/quickstart
python analysis/plot_predictions.py results/quickstart --measure knn_accuracy --json

Writes figures/predictions.{png,pdf}, predicted_grid.{png,pdf} and predictions.csv.
"""

from __future__ import annotations

from typing import Annotated

import typer

from analysis.cli.command_options import BEST_OVER, FIGURES, RESULTS, WIDTH, analyze
from analysis.cli.output_files import printable, write_csv
from analysis.cli.prediction_text import prediction_remarks
from analysis.cli.printed_width import Width
from analysis.figures.predictions.predicted_cells import draw_grid, draw_left_out
from analysis.figures.style import save
from mmcr_core.theory import PERCENT_ERROR
from sweeps.cli.app import guarded, new_app
from sweeps.cli.console import print_wrapped

EXAMPLE = "Example: python analysis/plot_predictions.py results/quickstart --measure knn_accuracy"
app = new_app()


@app.command(epilog=EXAMPLE)
@guarded
def main(
    results: RESULTS,
    measure: Annotated[str, typer.Option(help="percent_error, or a measure in [0, 1].")] = PERCENT_ERROR,
    width: WIDTH = Width.PAGE,
    output: FIGURES = None,
    best_over: BEST_OVER = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
) -> None:
    """Predict every cell of a sweep, trained, begun or not begun."""
    with analyze(results, best_over, output, width) as (analysis, folder):
        table = analysis.predict(measure=measure)
        left_out = analysis.left_out(measure)
        what = "percent error" if measure == PERCENT_ERROR else measure
        figures = {"predictions": draw_left_out(left_out, what), "predicted_grid": draw_grid(table, what)}
        paths = [save(figure, folder, name) for name, figure in figures.items()]
        paths.append(folder / "predictions.csv")
        write_csv(table, paths[-1])
        if as_json:
            print(table.to_json(orient="records", indent=2))
            return
        for text in prediction_remarks(analysis, measure):
            print_wrapped(text)
        for path in paths:
            print(printable(path))


if __name__ == "__main__":
    app()
