"""Measures against the percent error at the same steps of the same runs: does the loss track what it is named after?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.estimates.metric_correlation import MEASURE, beside_the_error
from analysis.figures.objective_figures import start_and_end
from analysis.figures.palette import variant_colors
from analysis.figures.style import LEAST, across, clear_beyond, legend, line_mark, panels, save
from analysis.results.display_names import measure_name, variant_name
from analysis.results.results import Results

LABELS = {
    "capacity": "manifold capacity",
    "mutual_information_bound": "mutual information bound (nats)",
    "effective_rank": "effective rank (dimensions)",
    "alignment": "alignment (mean cosine)",
}
COLUMNS = 3


def metric_figures(results: Results, folder: Path) -> list[Path]:
    """Draw and save `measures`, where there is something to draw."""
    table = beside_the_error(results)
    table = table[table["name"].isin(LABELS)]
    return [] if table.empty else [save(draw(table), folder, "measures")]


def draw(table: pd.DataFrame) -> Figure:
    """A panel for each measure and subject, against the held-out percent error: the mean of each objective's runs, a
    ring where they are untrained, a dot where they end, arrows in the direction of training; thin lines are runs."""
    order = list(LABELS)
    kinds = sorted(set(table[MEASURE].itertuples(index=False, name=None)), key=lambda k: (order.index(k[0]), k[1]))
    columns = across(len(kinds), 1.6, COLUMNS)
    figure, axes = panels(-(-len(kinds) // columns), columns, 1.75, sharex=True)
    clear_beyond(axes, len(kinds))
    color = variant_colors(sorted(table["variant"].unique()))
    for i, (ax, (name, subject)) in enumerate(zip(axes.flat, kinds, strict=False)):
        panel = table[(table["name"] == name) & (table["subject"] == subject)]
        for variant, runs in panel.groupby("variant"):
            for _, run in runs.sort_values("step").groupby("run_id"):
                ax.plot(run["error"], run["value"], color=color[variant], lw=0.4, alpha=0.5)
            mean = runs.groupby("step")[["error", "value"]].mean()
            _arrows(ax, mean["error"].to_numpy(), mean["value"].to_numpy(), color[variant])
        of = f"{LABELS[name].split(' (')[0]} of {subject}" if subject else LABELS[name]
        ax.set_title(of, fontsize=LEAST)
        ax.tick_params(labelbottom=i + columns >= len(kinds))
    figure.supxlabel(f"{measure_name('heldout_percent_error')} (fraction)")
    arrow = line_mark("0.3", "direction of training", marker=">", lw=0.8)
    single = line_mark("0.3", "single runs", lw=0.4)
    handles = [line_mark(c, variant_name(name)) for name, c in color.items()]
    legend(figure, [*handles, *start_and_end(), arrow, single])
    return figure


def _arrows(ax: Axes, x: np.ndarray, y: np.ndarray, color: str) -> None:
    ax.plot(x, y, color=color, lw=1)
    for i in range(len(x) - 1):
        middle, ahead = ((x[i] * (1 - t) + x[i + 1] * t, y[i] * (1 - t) + y[i + 1] * t) for t in (0.5, 0.55))
        ax.annotate("", ahead, middle, arrowprops={"arrowstyle": "-|>", "color": color, "lw": 0, "mutation_scale": 6,
                                                   "shrinkA": 0, "shrinkB": 0})  # fmt: skip
    ax.plot(x[:1], y[:1], "o", mfc="white", mec=color, ms=3.5, zorder=4)
    ax.plot(x[-1:], y[-1:], "o", color=color, ms=3.5, zorder=4)
