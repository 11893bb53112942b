"""Predictions drawn: each setting by all others beside what was measured, and the grid as it is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures.style import colors, plain_ticks


def draw_left_out(table: pd.DataFrame, what: str) -> Figure:
    """Predicted against measured values with 95 % intervals, each setting predicted from all others: variant, P, D, K,
    measured, predicted, low_95, high_95; a color for each K."""
    figure, ax = plt.subplots(figsize=(3.4, 3.2), layout="constrained")
    color = colors(sorted(table["K"].unique()))
    for K, part in table.groupby("K"):
        spread = np.abs(part[["low_95", "high_95"]].to_numpy().T - part["predicted"].to_numpy())
        ax.errorbar(part["measured"], part["predicted"], yerr=spread, fmt="o", ms=3, lw=0.7, color=color[K], mfc="none",
                    label=f"K = {K}")  # fmt: skip
    ends = [table[["measured", "low_95"]].min().min() * 0.95, table[["measured", "high_95"]].max().max() * 1.05]
    ax.plot(ends, ends, color="0.6", lw=0.6, ls="--", zorder=0)
    inside = (table["low_95"] <= table["measured"]) & (table["measured"] <= table["high_95"])
    error = np.sqrt(((table["predicted"] / table["measured"] - 1) ** 2).mean())
    ax.set(xscale="log", yscale="log", xlim=ends, ylim=ends, xlabel=f"measured {what}",
           ylabel=f"predicted {what}",
           title=f"{inside.sum()} of {len(table)} inside 95 %, r.m.s. {100 * error:.1f} %")  # fmt: skip
    for axis in "xy":
        plain_ticks([ax], axis, *ends)
    ax.legend(title="each from all others", title_fontsize=6)
    return figure


def draw_grid(table: pd.DataFrame, what: str) -> Figure:
    """Each setting over P and D, a panel for each variant and K: a filled disk where it was measured, a ring of the
    predicted color where it is predicted, as thick as it is certain, with the number and its 95 % half-width."""
    panels = list(table.groupby(["variant", "K"]))
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(2.5 * columns + 0.6, 2.4 * rows), layout="constrained",
                                squeeze=False)  # fmt: skip
    values = table["measured"].fillna(table["predicted"])
    scale = Normalize(np.log(values.min()), np.log(values.max()))
    shade = plt.get_cmap("viridis")
    sizes = {name: {size: at for at, size in enumerate(sorted(table[name].unique()))} for name in "PD"}
    for ax, ((variant, K), part) in zip(axes.flat, panels, strict=False):
        for row in part.itertuples():
            known = np.isfinite(row.measured)
            value = row.measured if known else row.predicted
            color = shade(scale(np.log(value)))
            half = "" if known else f"\n± {50 * (row.high_95 - row.low_95) / value:.0f} %"
            ax.plot(
                sizes["P"][row.P], sizes["D"][row.D], "o", ms=18, color=color, mfc=color if known else "none", mew=2
            )
            light = known and scale(np.log(value)) < 0.6
            ax.annotate(f"{value:.3f}{half}", (sizes["P"][row.P], sizes["D"][row.D]), ha="center", va="center",
                        fontsize=5, color="white" if light else "black")  # fmt: skip
        several = table["variant"].nunique() > 1
        ax.set(title=f"K = {K}" + (f", {variant}" if several else ""), xlabel="P", ylabel="D",
               xlim=(-0.6, len(sizes["P"]) - 0.4), ylim=(-0.6, len(sizes["D"]) - 0.4))  # fmt: skip
        ax.set_xticks(list(sizes["P"].values()), list(sizes["P"]))
        ax.set_yticks(list(sizes["D"].values()), list(sizes["D"]))
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    marks = [Line2D([], [], marker="o", ls="", ms=8, color="0.4", mfc=fill, mew=2, label=label)
             for fill, label in (("0.4", f"measured {what}"), ("none", "predicted, ± 95 % half-width"))]  # fmt: skip
    figure.legend(handles=marks, loc="outside lower center", ncols=2)
    return figure
