"""I have this much compute: which P, D and K? Answered from predictions and the measured speeds.

python analysis/recommend.py results/quickstart --flops 1e15
python analysis/recommend.py results/quickstart --gpu-hours 2 --rank gap
python analysis/recommend.py results/quickstart --next 5

Writes figures/frontier.{png,pdf}.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from analysis.cli.command_options import BEST_OVER, FIGURES, RESULTS, WIDTH
from analysis.cli.printed_width import Width
from analysis.results.errors import ResultsError
from sweeps.cli.app import guarded, new_app
from sweeps.cli.console import print_wrapped
from sweeps.cli.formatting import counted

EXAMPLE = "Example: python analysis/recommend.py results/quickstart --flops 1e14 --rank gap"
app = new_app()


@app.command(epilog=EXAMPLE)
@guarded
def main(
    results: RESULTS,
    flops: Annotated[float | None, typer.Option(help="Compute for one run, in FLOPs.")] = None,
    gpu_hours: Annotated[
        float | None, typer.Option(help="Compute for one run, in hours of this sweep's device.")
    ] = None,
    rank: Annotated[
        Literal["error", "gap", "probe"],
        typer.Option(help="By percent error, by its gap to the uniform baseline, or by probe accuracy."),
    ] = "error",
    top: Annotated[int, typer.Option(min=1, help="Cells shown.")] = 10,
    following: Annotated[
        int | None,
        typer.Option("--next", min=1, help="Instead: this many runs to train next, and what each would tell."),
    ] = None,
    width: WIDTH = Width.PAGE,
    output: FIGURES = None,
    best_over: BEST_OVER = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
) -> None:
    """Rank the sweep's cells for a given compute, or say which runs would tell the most."""
    import numpy as np

    from analysis.cli.opening import analyze
    from analysis.cli.output_files import printable
    from analysis.cli.recommendation_text import BASELINES, readable, warnings
    from analysis.cli.terminal_table import print_table
    from analysis.estimates.recommendation import Budget, priced_cells, recommend
    from analysis.figures.predictions.compute_frontier import draw
    from analysis.figures.style import save
    from mmcr_core.theory import PERCENT_ERROR

    if following is not None:
        if flops is not None or gpu_hours is not None:
            raise ResultsError("give --next, or --flops or --gpu-hours, one of the three")
        _print_next(results, best_over, output, following, as_json)
        return
    if (flops is None) == (gpu_hours is None):
        raise ResultsError("give --flops or --gpu-hours, one of the two")
    budget = Budget("flops", flops) if flops is not None else Budget("seconds", 3600 * (gpu_hours or 0))
    if not (np.isfinite(budget.amount) and budget.amount > 0):
        raise ResultsError(f"the compute is {budget.amount:g}; it must be positive")
    with analyze(results, best_over, output, width) as (analysis, folder):
        predictors = analysis.predictors_of(PERCENT_ERROR)
        cells = priced_cells(analysis.finished, predictors)
        table = recommend(cells, predictors, budget, rank)
        remarks = [BASELINES]
        if budget.unit == "seconds":
            remarks.append(f"Speeds are those measured on: {'; '.join(sorted(set(cells['device'])))}.")
        remarks += [
            f"Warning: {text}"
            for text in warnings(table.head(top), analysis.decaying, analysis.backtests, budget, rank)
        ]
        if as_json:
            print(table.head(top).to_json(orient="records", indent=2))
            print("\n".join(remarks), file=sys.stderr)
            return
        spare = ["variant"] if table["variant"].nunique() == 1 else []
        print_table(readable(table.head(top)), f"Best of {counted(len(table), 'cell')} for {budget}, by {rank}", spare)
        print_wrapped("\n".join(remarks))
        path = save(draw(cells, predictors, budget, table, rank), folder, "frontier")
        print(printable(path))


def _print_next(results: list[str], best_over: str | None, output: Path | None, count: int, as_json: bool) -> None:
    from analysis.cli.opening import analyze
    from analysis.cli.prediction_text import unpredicted_remarks
    from analysis.cli.recommendation_text import readable_next
    from analysis.cli.terminal_table import print_table
    from analysis.estimates.next_runs import next_runs
    from mmcr_core.theory import PERCENT_ERROR

    with analyze(results, best_over, output) as (analysis, _):
        predictors = {each.variants: each for each in analysis.predictors_of(PERCENT_ERROR).values()}
        for predictor in predictors.values():
            table = next_runs(analysis.planned, predictor, count, analysis.diverged)
            if as_json:
                print(table.to_json(orient="records", indent=2))
            else:
                print_table(readable_next(table), f"The {len(table)} runs that tell the most per FLOP")
        for text in unpredicted_remarks(analysis, PERCENT_ERROR):
            print_wrapped(text, sys.stderr if as_json else sys.stdout)


if __name__ == "__main__":
    app()
