"""Percent error against compute: a panel for each P x D, a curve for each K, with fitted power laws.

Two laws are drawn: the paper's pure power law A x^-alpha, and the selected model, the form that describes the sweep's
cells best with few parameters; --irreducible and --offset draw another instead.

Writes figures/scaling.{png,pdf}, figures/exponents.{png,pdf} and fits.parquet. `--law trajectory` fits the error
along each run, `--law budget` the final errors of runs that differ in their budget.
"""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from analysis.cli.command_options import BEST_OVER, FIGURES, RESULTS, WIDTH
from analysis.cli.printed_width import Width
from sweeps.cli.app import guarded, new_app

EXAMPLE = "Example: python analysis/plot_scaling.py results/quickstart --irreducible theory --axis steps"
app = new_app()


@app.command(epilog=EXAMPLE)
@guarded
def main(
    results: RESULTS,
    width: WIDTH = Width.PAGE,
    output: FIGURES = None,
    axis: Annotated[
        Literal["flops", "seconds", "images", "steps"], typer.Option(help="Quantity on the axis of compute.")
    ] = "flops",
    irreducible: Annotated[
        Literal["none", "free", "theory"] | None,
        typer.Option(help="Irreducible error E of the laws that are drawn. Default: of the selected model."),
    ] = None,
    offset: Annotated[
        Literal["none", "free"] | None,
        typer.Option(help="Offset x0 of the laws that are drawn. Default: of the selected model."),
    ] = None,
    law: Annotated[
        Literal["trajectory", "budget"], typer.Option(help="Along each run, or over the budgets of finished runs.")
    ] = "trajectory",
    best_over: BEST_OVER = None,
) -> None:
    """Fit y = E + A (x + x0)^(-alpha) for each cell and draw it."""
    from analysis.cli.opening import analyze
    from analysis.cli.output_files import print_paths, write_law
    from analysis.estimates.per_cell_fit import form_name
    from analysis.figures.scaling_figures import scaling_figures

    with analyze(results, best_over, output, width) as (analysis, folder):
        form = (irreducible or "none", offset or "none") if irreducible or offset else None
        paths = scaling_figures(analysis, folder, axis, form, law)
        table = analysis.fits_of(law, axis)
        write_law(analysis, "fits", table, output, law=law, axis=axis)
        of_form = (table["irreducible"] == form[0]) & (table["offset"] == form[1]) if form else table["chosen"]
        drawn = table[of_form]
        kinds = drawn[["irreducible", "offset"]].drop_duplicates().itertuples(index=False)
        if drawn.empty:
            print("no law was fitted: no cell has points enough; fits.parquet says what each lacks")
        else:
            forms = " or ".join(form_name(*kind) for kind in kinds)
            print(
                f"{int(drawn['trusted'].sum())} of {len(drawn)} laws {forms} passed all checks; "
                "fits.parquet lists the failed ones"
            )
        print_paths(paths)
        if not any(path.stem.startswith("exponents") for path in paths):
            print("exponents was not drawn: those of one P and D stand above its panel in scaling")


if __name__ == "__main__":
    app()
