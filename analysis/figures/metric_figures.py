"""Measures against the percent error at the same steps of the same runs: does the loss track what it is named after?"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.estimates.metric_correlation import MEASURE, beside_the_error
from analysis.figures.style import colors, save
from analysis.results.results import Results

SHOWN = ("capacity", "mutual_information_bound", "effective_rank", "alignment")
UNITS = {"mutual_information_bound": ", nats"}
COLUMNS = 3


def metric_figures(results: Results, folder: Path) -> list[Path]:
    """Draw and save `measures`, where there is something to draw."""
    table = beside_the_error(results)
    table = table[table["name"].isin(SHOWN)]
    return [] if table.empty else [save(draw(table), folder, "measures")]


def draw(table: pd.DataFrame) -> Figure:
    """A panel for each measure and subject, against the held-out percent error; a line for each run, a ring where it is
    untrained and a dot where it ends."""
    kinds = sorted(set(table[MEASURE].itertuples(index=False, name=None)), key=lambda k: (SHOWN.index(k[0]), k[1]))
    columns = min(COLUMNS, len(kinds))
    rows = -(-len(kinds) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(2.2 * columns + 0.3, 1.9 * rows + 1.0), squeeze=False, sharex=True, layout="constrained"
    )
    color = colors(sorted(table["variant"].unique()))
    for ax, (name, subject) in zip(axes.flat, kinds, strict=False):
        panel = table[(table["name"] == name) & (table["subject"] == subject)]
        for (variant, _), run in panel.sort_values("step").groupby(["variant", "run_id"]):
            ax.plot(run["error"], run["value"], color=color[variant], lw=0.6, alpha=0.7)
            ends = run.iloc[[0, -1]]
            ax.plot(ends["error"].iloc[:1], ends["value"].iloc[:1], "o", mfc="white", mec=color[variant], ms=3)
            ax.plot(ends["error"].iloc[1:], ends["value"].iloc[1:], "o", color=color[variant], ms=3)
        of = f" of {subject}" if subject else ""
        ax.set_title(f"{name.replace('_', ' ')}{of}{UNITS.get(name, '')}", fontsize=7, pad=3)
    for ax in axes.flat[len(kinds) :]:
        ax.axis("off")
    figure.supxlabel("held-out percent error", fontsize=8)
    handles = [Line2D([], [], color=c, marker="o", ms=3, label=str(name)) for name, c in color.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(5, len(handles)))
    return figure
