"""What a sweep's cells end at, trained or not: predicted from all its runs together, with intervals.

python analysis/plot_predictions.py results/quickstart
python analysis/plot_predictions.py results/quickstart --measure knn_accuracy --json
python analysis/plot_predictions.py results/quickstart --at-stop

Writes figures/predictions.{png,pdf}, predicted_grid.{png,pdf} and predictions.csv; with --at-stop stop.{png,pdf},
stop_grid.{png,pdf} and stop.csv.
"""

from __future__ import annotations

from typing import Annotated

import typer

from analysis.cli.command_options import BEST_OVER, FIGURES, RESULTS, WIDTH
from analysis.cli.printed_width import Width
from analysis.results.errors import ResultsError
from sweeps.cli.app import guarded, new_app
from sweeps.cli.console import print_wrapped

EXAMPLE = "Example: python analysis/plot_predictions.py results/quickstart --measure knn_accuracy"
app = new_app()


@app.command(epilog=EXAMPLE)
@guarded
def main(
    results: RESULTS,
    measure: Annotated[str, typer.Option(help="percent_error, or a measure in [0, 1].")] = "percent_error",
    at_stop: Annotated[
        bool,
        typer.Option("--at-stop", help="Of a finished adaptive sweep: what it predicted at its stop, and how well."),
    ] = False,
    width: WIDTH = Width.PAGE,
    output: FIGURES = None,
    best_over: BEST_OVER = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
) -> None:
    """Predict every cell of a sweep, trained, begun or not begun."""
    from analysis.cli.opening import analyze
    from analysis.cli.output_files import printable, write_csv
    from analysis.cli.prediction_text import prediction_remarks, stop_remark
    from analysis.figures.predictions.predicted_cells import draw_grid, draw_predicted, prediction_figures
    from analysis.figures.style import save

    if at_stop and measure != "percent_error":
        raise ResultsError("--at-stop is of what --until asked for; leave --measure out")
    with analyze(results, best_over, output, width) as (analysis, folder):
        if at_stop:
            stopped = analysis.at_stop()
            table, remarks = stopped.settings, [stop_remark(stopped)]
            paths = [save(draw_grid(table, stopped.quantity), folder, "stop_grid")]
            if len(stopped.predicted):
                final = stopped.predicted.assign(measured=stopped.predicted["final"], finished=True)
                paths.insert(0, save(draw_predicted(final, stopped.quantity, "at the stop"), folder, "stop"))
        else:
            table, remarks = analysis.predict(measure=measure), prediction_remarks(analysis, measure)
            paths = prediction_figures(analysis, folder, measure)
        paths.append(folder / ("stop.csv" if at_stop else "predictions.csv"))
        write_csv(table, paths[-1])
        if as_json:
            print(table.to_json(orient="records", indent=2))
            return
        for text in remarks:
            print_wrapped(text)
        for path in paths:
            print(printable(path))


if __name__ == "__main__":
    app()
