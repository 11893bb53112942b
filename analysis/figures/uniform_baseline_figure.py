"""Percent error and uniformity against the size of the data set, the uniform baseline through them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.estimates.uniform_baseline import Level
from analysis.figures.style import THEORY, colors, plain_ticks

FAR = 1.6  # how much further than the largest data set the baseline is drawn


def draw_levels(table: pd.DataFrame) -> Figure:
    """Rows K, columns D: percent error (hollow) and 1 - u (filled) against N for each P, over the baseline e_inf,
    which is 0 where a batch is the whole set, and its limit of endless data (dotted)."""
    views, dims, sizes = (sorted(table[name].unique()) for name in ("K", "D", "P"))
    color = colors(sizes)
    size = (1.75 * len(dims) + 0.6, 2.1 * len(views) + 0.7)
    figure, axes = plt.subplots(len(views), len(dims), figsize=size, squeeze=False, sharex=True, sharey=True,
                                layout="constrained")  # fmt: skip
    images = np.sort(table["images"].unique())
    for row, K in zip(axes, views, strict=True):
        for ax, D in zip(row, dims, strict=True):
            for P, line in table[(table["K"] == K) & (table["D"] == D)].groupby("P"):
                fine = np.geomspace(P, FAR * images[-1], 200)
                level = np.array([float(Level(images=N)(P, D)) for N in fine])
                ax.plot(fine, level, color=color[P], lw=0.9, zorder=1)
                ax.axhline(float(Level()(P, D)), color=color[P], lw=0.6, ls=":", zorder=0)
                ax.plot(line["images"], line["deficit"], "o", ms=3.5, color=color[P])
                ax.plot(line["images"], line["percent_error"], "o", ms=3.5, color=color[P], mfc="none", mew=0.8)
            ax.set(xscale="log", title=f"D = {D}, K = {K}")
    axes[0, 0].set_ylim(0, 1.05 * table[["percent_error", "deficit"]].max().max())
    plain_ticks(axes.flat, "x", min(sizes) * 0.8, FAR * images[-1])
    for ax in axes.flat:
        ax.set_xticks(images, [f"{int(N)}" for N in images], rotation=45)
    figure.supxlabel("N, images of the data set", fontsize=8)
    handles = [Line2D([], [], color=c, marker="s", ms=4, ls="none", label=f"P = {P}") for P, c in color.items()]
    gray: dict[str, Any] = {"color": "0.3"}
    handles += [
        Line2D([], [], marker="o", ms=4, mfc="none", ls="none", label="percent error", **gray),
        Line2D([], [], marker="o", ms=4, ls="none", label="$1 - u$, uniformity deficit", **gray),
        Line2D([], [], lw=0.9, label="$e_\\infty$(P, D, N)", **gray),
        Line2D([], [], lw=0.6, ls=":", label="$N \\to \\infty$", color=THEORY),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 4))
    return figure
