"""Uniformity and percent error against the size of the data set, the uniform baseline through them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.estimates.uniform_baseline import Level
from analysis.figures.palette import size_colors
from analysis.figures.style import across, legend, line_mark, panels, plain_ticks, swatches

FAR = 1.6  # how much further than the largest data set the baseline is drawn
PANELS = {"deficit": "uniformity deficit $1 - u$ (fraction)", "percent_error": "pretraining percent error (fraction)"}


def draw_levels(table: pd.DataFrame) -> Figure:
    """Two panels against the size N of the data set: the uniformity deficit, which the baseline predicts, and the
    percent error. A line for each D, of the cells with P nearest to it at the smallest K."""
    shown = nearest_to_the_diagonal(table[table["K"] == table["K"].min()])
    dims, images = sorted(int(D) for D in shown["D"].unique()), sorted(int(N) for N in shown["images"].unique())
    color = size_colors("D", dims)
    columns = across(2, 2.8)
    figure, axes = panels(2 // columns, columns, 2.2, sharex=True, sharey=True)
    for ax, (name, label) in zip(axes.flat, PANELS.items(), strict=True):
        for (P, D), line in shown.groupby(["P", "D"]):
            fine = np.geomspace(max(P, images[0] / FAR), FAR * images[-1], 200)
            level = [float(Level(images=N)(P, D)) for N in fine]
            ax.plot(fine, level, color=color[D], lw=0.9, ls="--", zorder=1)
            ax.plot(line["images"], line[name], "o-", ms=3.5, lw=1, color=color[D])
        ax.set(xscale="log", ylabel=label)
    axes[0, 0].set_ylim(0, 1.05 * shown[list(PANELS)].max().max())
    plain_ticks(axes.flat, "x", images[0] / FAR, FAR * images[-1])
    for ax in axes.flat:
        ax.set_xticks(images, [f"{N:,}" for N in images])
        ax.tick_params(labelleft=True)
    figure.supxlabel("N, images in the data set")
    same = bool((shown["P"] == shown["D"]).all())
    named = {f"P = D = {D}" if same else f"D = {D}": c for D, c in color.items()}
    legend(figure, [*swatches(named), line_mark("0.3", "measured", marker="o", lw=1),
                    line_mark("0.3", "uniform baseline $e_\\infty$(P, D, N)", lw=0.9, ls="--")])  # fmt: skip
    return figure


def nearest_to_the_diagonal(table: pd.DataFrame) -> pd.DataFrame:
    """Of each D the rows of the P that is nearest to it."""
    distance = np.abs(np.log2(table["P"] / table["D"]))
    return table[distance == distance.groupby(table["D"]).transform("min")].drop_duplicates(["D", "images"])
