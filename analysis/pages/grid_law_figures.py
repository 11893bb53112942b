"""One law of steps, P, D and K for the whole grid: its exponents, and how it foretells the most expensive cells.

Writes figures/forecast.{png,pdf} and grid_law.parquet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.pages.command_options import RESULTS, app, user_errors
from analysis.laws.grid_law import GridLaw, fit_grid_laws, grid_points
from analysis.query import print_table
from analysis.laws.cell_law import measured_cells
from analysis.pages.style import THEORY, colours, plain_ticks, save, write_table
from analysis.reading.results import Results, ResultsError, open_results

EXAMPLE = "Example: python analysis/plot_grid_law.py results/quickstart"
cli = app()


@cli.command(epilog=EXAMPLE)
@user_errors
def main(
    results: RESULTS,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder of the figure.")] = None,
) -> None:
    """Fit one law to all cells, and test it on the most expensive ones."""
    opened = open_results(results)
    laws = grid_laws(measured_points(opened))
    table = law_table(laws)
    write_table(table, opened.root / "grid_law.parquet")
    print_table(table, "e = E + A prod x^-alpha; floors in order of AICc")
    for path in figures(laws, output or opened.root / "figures"):
        print(path)


def measured_points(results: Results) -> pd.DataFrame:
    """`grid_points` of the trajectories of all finished runs. Raises ResultsError where there are none."""
    cells = measured_cells(results, axis="steps")
    if not cells:
        raise ResultsError(f"{results.root} holds no finished run with a trajectory")
    return grid_points(cells)


def grid_laws(points: pd.DataFrame) -> dict[str, list[GridLaw]]:
    """The laws of each variant among `grid_points`, best floor first. Raises ResultsError where there are too few
    cells for any."""
    laws, reason = {}, ""
    for variant, mine in points.groupby("variant"):
        try:
            laws[str(variant)] = fit_grid_laws(mine)
        except ValueError as error:
            reason = str(error)
    if not laws:
        raise ResultsError(f"no law of the grid: {reason}")
    return laws


def law_table(laws: dict[str, list[GridLaw]]) -> pd.DataFrame:
    """variant, floor, aicc, column, alpha, alpha_low, alpha_high, and the test on held-out cells: test_error (r.m.s.,
    relative), test_coverage (of 95 % forecasts), tested."""
    rows = []
    for variant, kinds in laws.items():
        for law in kinds:
            for column, alpha in law.fit.alpha.items():
                low, high = law.fit.interval("alpha", column)
                rows.append({"variant": variant, "floor": law.floor, "aicc": law.fit.aicc, "column": column,
                             "alpha": alpha, "alpha_low": low, "alpha_high": high, "test_error": law.error,
                             "test_coverage": law.coverage, "tested": law.tested})  # fmt: skip
    return pd.DataFrame(rows)


def figures(laws: dict[str, list[GridLaw]], folder: Path) -> list[Path]:
    """Draw and save one figure for each variant whose law was tested; the paths of the PNGs."""
    paths = []
    for i, (variant, kinds) in enumerate(laws.items()):
        tested = [law for law in kinds if law.test is not None]
        if not tested:
            continue
        figure = draw(tested)
        name = "forecast" if len(laws) == 1 else f"forecast_{i}"
        if len(laws) > 1:
            figure.suptitle(variant, fontsize=8)
        paths.append(save(figure, folder, name))
    return paths


def draw(laws: list[GridLaw]) -> Figure:
    """A panel for each floor: foretold against measured final errors; held-out cells filled, with forecasts."""
    tables = [law.test for law in laws if law.test is not None]
    figure, axes = plt.subplots(1, len(laws), figsize=(2.3 * len(laws), 2.7), sharex=True, sharey=True,
                                squeeze=False, layout="constrained")  # fmt: skip
    colour = colours(sorted(tables[0]["K"].unique()))
    for ax, law, table in zip(axes[0], laws, tables, strict=True):
        for part, held in ((table[~table["held_out"]], False), (table[table["held_out"]], True)):
            for K, cells in part.groupby("K"):
                ax.plot(
                    cells["error"], cells["foretold"], "o", ms=3.5, color=colour[K], mfc=colour[K] if held else "none"
                )
                if held:
                    spread = np.abs(cells[["low", "high"]].to_numpy().T - cells["foretold"].to_numpy())
                    ax.errorbar(cells["error"], cells["foretold"], yerr=spread, fmt="none", color=colour[K], lw=0.7)
        ends = [table[["error", "foretold"]].min().min() * 0.9, table[["error", "foretold"]].max().max() * 1.1]
        ax.plot(ends, ends, color=THEORY, lw=0.6, zorder=0)
        ax.set(xscale="log", yscale="log", xlabel="measured percent error")
        name = {"none": "no floor", "free": "free floor", "theory": "floor $e_\\infty$(P, D)"}[law.floor]
        ax.set_title(f"{name}: {100 * law.error:.1f} % r.m.s.")
        plain_ticks([ax], "x", *ends)
        forecast = table.loc[table["held_out"], ["low", "high"]]
        plain_ticks([ax], "y", min(ends[0], forecast["low"].min() * 0.9), max(ends[1], forecast["high"].max() * 1.1))
    axes[0, 0].set_ylabel("foretold percent error")
    handles = [Line2D([], [], color=c, marker="o", ms=3, ls="none", label=f"K = {K}") for K, c in colour.items()]
    handles.append(Line2D([], [], color="0.3", marker="o", mfc="none", ms=3, ls="none", label="cells fitted"))
    handles.append(Line2D([], [], color="0.3", marker="o", ms=3, lw=0.7, label="not seen, 95 % forecast"))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


if __name__ == "__main__":
    cli()
