"""The joint scaling law drawn: what it predicts beside what was measured, and all cells on one curve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.estimates.joint_scaling_law import JointLaw
from analysis.figures.data_collapse_figure import draw_collapse
from analysis.figures.palette import THEORY, view_colors
from analysis.figures.style import across, interval_mark, legend, line_mark, panels, plain_ticks, save_one_of, swatches
from analysis.results.display_names import variant_name

IRREDUCIBLE = {
    "none": "no irreducible error",
    "free": "irreducible error fitted",
    "theory": "irreducible error $e_\\infty$",
}


def joint_law_figures(laws: dict[str, list[JointLaw]], folder: Path) -> list[Path]:
    """Draw and save, for each variant, the collapse of its best law, and the forecasts of the best law with each kind
    of irreducible error, where they were tested; the paths of the PNGs."""
    paths = []
    for i, (variant, kinds) in enumerate(laws.items()):
        tested = [law for law in kinds if law.test is not None and np.isfinite(law.coverage)]
        best = {law.form.irreducible: law for law in reversed(tested)}
        title = variant_name(variant)
        paths.append(save_one_of(draw_collapse(kinds[0]), folder, "collapse", i, len(laws), title))
        if best:
            chosen = [best[kind] for kind in dict.fromkeys(law.form.irreducible for law in tested)]
            paths.append(save_one_of(draw(chosen), folder, "forecast", i, len(laws), title))
    return paths


def draw(laws: list[JointLaw]) -> Figure:
    """A panel for each law: predicted against measured final errors of the cells that it was fitted to (hollow) and of
    held-out, more expensive ones (filled), each with its 95% interval."""
    tables = [law.test for law in laws if law.test is not None]
    columns = across(len(laws), 2.1)
    figure, axes = panels(-(-len(laws) // columns), columns, 2.35, 2.3 * columns + 0.2, sharex=True, sharey=True)
    color = view_colors(sorted(int(K) for K in tables[0]["K"].unique()))
    every = pd.concat(tables)
    ends = (
        0.9 * every[["error", "predicted", "low"]].min().min(),
        1.1 * every[["error", "predicted", "high"]].max().max(),
    )
    for ax, law, table in zip(axes.flat, laws, tables, strict=False):
        for K, cells in table.groupby("K"):
            _points(ax, cells[~cells["held_out"]], color[int(K)], filled=False)
            _points(ax, cells[cells["held_out"]], color[int(K)], filled=True)
        ax.plot(ends, ends, color=THEORY, lw=0.6, zorder=0)
        ax.set(xscale="log", yscale="log")
        selected = "selected: " if law is laws[0] and len(laws) > 1 else ""
        inside = round(law.coverage * law.tested)
        missed = f"held-out cells: r.m.s. error {100 * law.error:.1f}%,\n{inside} of {law.tested} inside their interval"
        ax.set_title(f"{selected}{IRREDUCIBLE[law.form.irreducible]}\n{missed}", fontsize=7)
        plain_ticks([ax], "x", *ends, small=True)
        plain_ticks([ax], "y", *ends, small=True)
    figure.supxlabel("measured percent error (fraction)")
    figure.supylabel("predicted percent error (fraction)")
    legend(
        figure,
        [
            *swatches(color, "K = {}"),
            line_mark("0.3", "cells the law was fitted to", marker="o", mfc="none", ls="none"),
            line_mark("0.3", "held-out cells", marker="o", ls="none"),
            interval_mark("95% interval"),
            line_mark(THEORY, "predicted = measured", lw=0.6),
        ],
    )
    return figure


def _points(ax: Axes, cells: pd.DataFrame, color: str, filled: bool) -> None:
    spread = np.abs(cells[["low", "high"]].to_numpy().T - cells["predicted"].to_numpy())
    ax.errorbar(cells["error"], cells["predicted"], yerr=spread, fmt="o", ms=3.2, mfc=color if filled else "white",
                color=color, mew=0.7, elinewidth=0.5, zorder=3 if filled else 2)  # fmt: skip
