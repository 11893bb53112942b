"""Percent error against compute: a panel for each P x D, a curve for each K, with fitted power laws.

Writes figures/scaling.{png,pdf}, figures/exponents.{png,pdf} and fits.parquet. `--law trajectory` fits the error
along each run, `--law budget` the final errors of runs that differ in their budget.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from analysis.pages.command_options import FIGURES, RESULTS, new_app
from analysis.pages.output_files import shown, write_table
from analysis.pages.scaling_figures import figures
from analysis.reading.results import open_results
from sweeps.storage.last_guard import guarded

EXAMPLE = "Example: python analysis/plot_scaling.py results/quickstart --floor theory"
app = new_app()


class Axis(StrEnum):
    flops = "flops"
    seconds = "seconds"
    images = "images"
    steps = "steps"


class Law(StrEnum):
    trajectory = "trajectory"
    budget = "budget"


class Floor(StrEnum):
    none = "none"
    free = "free"
    theory = "theory"


@app.command(epilog=EXAMPLE)
@guarded
def main(
    results: RESULTS,
    output: FIGURES = None,
    axis: Annotated[Axis, typer.Option(help="What is plotted as compute.")] = Axis.flops,
    floor: Annotated[Floor, typer.Option(help="Floor E of the laws that are drawn.")] = Floor.none,
    law: Annotated[Law, typer.Option(help="Along each run, or over the budgets of finished runs.")] = Law.trajectory,
) -> None:
    """Fit y = E + A x^(-alpha) for each cell and draw it."""
    opened = open_results(results)
    paths, table = figures(opened, output or opened.root / "figures", axis.value, floor.value, law.value)
    write_table(table, opened.root / "fits.parquet")
    drawn = table[table["floor"] == floor.value]
    print(f"{int(drawn['trusted'].sum())} of {len(drawn)} laws are trusted; fits.parquet says why not")
    for path in paths:
        print(shown(path))


if __name__ == "__main__":
    app()
