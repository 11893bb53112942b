"""Predictions drawn: each setting by all others beside what was measured, and the grid as it is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from analysis.estimates.prediction import FEWEST
from analysis.figures.palette import THEORY, view_colors
from analysis.figures.style import (
    LEAST,
    SIZES,
    across,
    clear_beyond,
    interval_mark,
    legend,
    line_mark,
    panels,
    plain_ticks,
    save,
    swatches,
)
from analysis.results.display_names import variant_name
from analysis.sweep_analysis import SweepAnalysis
from mmcr_core.theory import PERCENT_ERROR


def prediction_figures(analysis: SweepAnalysis, folder: Path, measure: str = PERCENT_ERROR) -> list[Path]:
    """Draw and save `predictions` (of settings that could each be left out) and `predicted_grid` (of two settings or
    more); the paths of the PNGs."""
    left_out, table = analysis.left_out(measure), analysis.predict(measure=measure)
    drawn = {"predictions": draw_predicted(left_out, measure)} if len(left_out) >= FEWEST else {}
    if len(table) > 1:
        drawn["predicted_grid"] = draw_grid(table, measure)
    return [save(figure, folder, name) for name, figure in drawn.items()]


def draw_predicted(table: pd.DataFrame, quantity: str, known: str = "from all others") -> Figure:
    """Predicted against measured values with 95% intervals: variant, P, D, K, measured, predicted, low_95, high_95,
    `finished` (else the measured value is the last one); a color for each K. `known`: what each setting was predicted
    from."""
    what, unfinished = _named(quantity), int((~table["finished"]).sum())
    known, last = (f"{known} ({unfinished} of {len(table)} unfinished)", "last ") if unfinished else (known, "")
    figure, axes = panels(1, 1, 3.0, 3.25)
    ax = axes[0, 0]
    color = view_colors(sorted(int(K) for K in table["K"].unique()))
    for K, part in table.groupby("K"):
        spread = np.abs(part[["low_95", "high_95"]].to_numpy().T - part["predicted"].to_numpy())
        ax.errorbar(part["measured"], part["predicted"], yerr=spread, fmt="o", ms=3, lw=0.7, color=color[K], mfc="none")
    ends = (
        max(table[["measured", "low_95"]].min().min() * 0.95, 1e-4),
        table[["measured", "high_95"]].max().max() * 1.05,
    )
    ax.plot(ends, ends, color=THEORY, lw=0.6, zorder=0)
    inside = (table["low_95"] <= table["measured"]) & (table["measured"] <= table["high_95"])
    error = np.sqrt(((table["predicted"] / table["measured"] - 1) ** 2).mean())
    ax.set(xscale="log", yscale="log", aspect="equal", xlabel=f"{last}measured {what} (fraction)",
           ylabel=f"predicted {what} (fraction)",
           title=f"{inside.sum()} of {len(table)} inside, off by {100 * error:.1f}% (r.m.s.)")  # fmt: skip
    for axis in "xy":
        plain_ticks([ax], axis, *ends, small=True)
    marks = [line_mark("0.3", f"predicted {known}", marker="o", mfc="none", ls="none"), interval_mark("95% interval")]
    legend(figure, [*swatches(color, "K = {}"), *marks, line_mark(THEORY, "predicted = measured", lw=0.6)])
    return figure


def _named(quantity: str) -> str:
    return "percent error" if quantity == PERCENT_ERROR else quantity


def draw_grid(table: pd.DataFrame, quantity: str) -> Figure:
    """Each setting over P and D, a panel for each variant and K: a filled disk where it was measured, a ring of the
    predicted color where it is predicted, with the number and its 95% half-width."""
    places = list(table.groupby(["variant", "K"]))
    sizes = {name: {size: at for at, size in enumerate(sorted(table[name].unique()))} for name in "PD"}
    columns = across(len(places), 0.5 * len(sizes["D"]) + 0.35)
    width = (0.5 * len(sizes["D"]) + 0.35) * columns + 0.4
    height = 0.44 * len(sizes["P"]) + 0.4
    figure, axes = panels(-(-len(places) // columns), columns, height, max(width, 3.25), sharex=True, sharey=True)
    clear_beyond(axes, len(places))
    values = table["measured"].fillna(table["predicted"])
    scale = Normalize(np.log(values.min()), np.log(values.max()))
    shade = colormaps["viridis"]
    for ax, ((variant, K), part) in zip(axes.flat, places, strict=False):
        for row in part.itertuples():
            known = np.isfinite(row.measured)
            value = row.measured if known else row.predicted
            color = shade(scale(np.log(value)))
            half = "" if known else f"\n±{50 * (row.high_95 - row.low_95) / value:.0f}%"
            at = sizes["D"][row.D], sizes["P"][row.P]
            ax.plot(*at, "o", ms=25, color=color, mfc=color if known else "none", mew=2)
            light = known and scale(np.log(value)) < 0.6
            ax.annotate(f"{value:.2f}{half}", at, ha="center", va="center", fontsize=LEAST, linespacing=0.95,
                        color="white" if light else "black")  # fmt: skip
        several = table["variant"].nunique() > 1
        ax.set_title(f"K = {K} views" + (f"\n{variant_name(str(variant))}" if several else ""), fontsize=LEAST)
        ax.set(xlim=(-0.6, len(sizes["D"]) - 0.4), ylim=(-0.6, len(sizes["P"]) - 0.4))
        ax.set_xticks(list(sizes["D"].values()), list(sizes["D"]))
        ax.set_yticks(list(sizes["P"].values()), list(sizes["P"]))
        ax.tick_params(labelbottom=True)
    figure.supxlabel(SIZES["D"])
    figure.supylabel(SIZES["P"])
    what = _named(quantity)
    mark = {"marker": "o", "ls": "none", "ms": 8}
    marks = [line_mark("0.5", f"measured {what} (fraction)", **mark)] if table["measured"].notna().any() else []
    if table["measured"].isna().any():
        marks.append(line_mark("0.5", f"predicted {what} (fraction), ± 95% half-width", mfc="none", mew=2, **mark))
    legend(figure, marks)
    return figure
