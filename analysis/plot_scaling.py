"""Percent error against compute: a panel for each P x D, a curve for each K, with fitted power laws.

Two laws are drawn: the paper's pure power law A x^-alpha, and the one to quote, of the form that describes the sweep's
cells best with few parameters; --irreducible and --offset draw another instead.

Writes figures/scaling.{png,pdf}, figures/exponents.{png,pdf} and fits.parquet. `--law trajectory` fits the error
along each run, `--law budget` the final errors of runs that differ in their budget.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from analysis.cli.command_options import BEST_OVER, FIGURES, RESULTS, analyze
from analysis.cli.output_files import printable
from analysis.estimates.per_cell_fit import form_name
from analysis.figures.scaling_figures import scaling_figures
from sweeps.cli.app import guarded, new_app

EXAMPLE = "Example: python analysis/plot_scaling.py results/quickstart --irreducible theory --axis steps"
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


class Offset(StrEnum):
    none = "none"
    free = "free"


@app.command(epilog=EXAMPLE)
@guarded
def main(
    results: RESULTS,
    output: FIGURES = None,
    axis: Annotated[Axis, typer.Option(help="What is plotted as compute.")] = Axis.flops,
    irreducible: Annotated[
        Floor | None, typer.Option(help="Floor E of the laws that are drawn. Default: of the laws to quote.")
    ] = None,
    offset: Annotated[Offset | None, typer.Option(help="Their offset x0. Default: of the laws to quote.")] = None,
    law: Annotated[Law, typer.Option(help="Along each run, or over the budgets of finished runs.")] = Law.trajectory,
    best_over: BEST_OVER = None,
) -> None:
    """Fit y = E + A (x + x0)^(-alpha) for each cell and draw it."""
    analysis = analyze(results, best_over)
    form = (
        (irreducible.value if irreducible else "none", offset.value if offset else "none")
        if irreducible or offset
        else None
    )
    paths = scaling_figures(analysis, output or analysis.results.root / "figures", axis.value, form, law.value)
    analysis.write_fits(law.value, axis.value)
    table = analysis.fits_of(law.value, axis.value)
    drawn = table[(table["irreducible"] == form[0]) & (table["offset"] == form[1])] if form else table[table["chosen"]]
    kinds = drawn[["irreducible", "offset"]].drop_duplicates().itertuples(index=False)
    if drawn.empty:
        print("no law was fitted: no cell has points enough; fits.parquet says what each lacks")
    else:
        forms = " or ".join(form_name(*kind) for kind in kinds)
        print(
            f"{int(drawn['trusted'].sum())} of {len(drawn)} laws {forms} passed all checks; "
            "fits.parquet lists the failed ones"
        )
    for path in paths:
        print(printable(path))


if __name__ == "__main__":
    app()
