"""I have this much compute: which P, D and K? Answered from the joint scaling law and the measured speeds.

python analysis/recommend.py results/quickstart --flops 1e15
python analysis/recommend.py results/quickstart --gpu-hours 2 --rank gap

Writes figures/frontier.{png,pdf}.
"""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import numpy as np
import typer

from analysis.cli.command_options import BEST_OVER, FIGURES, RESULTS, analyze
from analysis.cli.output_files import printable
from analysis.cli.recommendation_text import BASELINES, readable, warnings
from analysis.cli.terminal_table import print_table
from analysis.estimates.recommendation import Budget, priced_cells, recommend
from analysis.figures.compute_frontier_figure import draw
from analysis.figures.style import save
from analysis.results.errors import ResultsError
from sweeps.cli.app import guarded, new_app
from sweeps.cli.console import print_wrapped

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
    output: FIGURES = None,
    best_over: BEST_OVER = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
) -> None:
    """Rank the sweep's cells for a given compute."""
    if (flops is None) == (gpu_hours is None):
        raise ResultsError("give --flops or --gpu-hours, one of the two")
    budget = Budget("flops", flops) if flops is not None else Budget("seconds", 3600 * (gpu_hours or 0))
    if not (np.isfinite(budget.amount) and budget.amount > 0):
        raise ResultsError(f"the compute is {budget.amount:g}; it must be positive")
    with analyze(results, best_over, output) as (analysis, folder):
        laws = analysis.forecasters
        cells = priced_cells(analysis.runs, laws)
        table = recommend(cells, laws, budget, rank)
        remarks = [BASELINES]
        if budget.unit == "seconds":
            remarks.append(f"Speeds are those measured on: {'; '.join(sorted(set(cells['device'])))}.")
        remarks += [f"Warning: {text}" for text in warnings(table.head(top), laws, analysis.end_tests, budget, rank)]
        if as_json:
            print(table.head(top).to_json(orient="records", indent=2))
            print("\n".join(remarks), file=sys.stderr)
            return
        spare = ["variant"] if table["variant"].nunique() == 1 else []
        print_table(readable(table.head(top)), f"Best of {len(table)} cells for {budget}, by {rank}", spare)
        print_wrapped("\n".join(remarks))
        path = save(draw(cells, laws, budget, table, rank), folder, "frontier")
        print(printable(path))


if __name__ == "__main__":
    app()
