"""Sweeps drawn over each other: final errors against P, and errors along the runs."""

from __future__ import annotations

from itertools import zip_longest

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from analysis.estimates.fit_data import Cell, Key
from analysis.estimates.uniform_baseline import Level, level_of
from analysis.figures.palette import THEORY, list_colors
from analysis.figures.style import (
    BASELINE,
    ERROR,
    SIZES,
    across,
    frame,
    interval_mark,
    legend,
    line_mark,
    panels,
    plain_ticks,
    remove,
    size_ticks,
)


def draw_errors(runs: pd.DataFrame, names: list[str]) -> Figure:
    """A panel for each K and D: final percent error against P, a color for each sweep, a thin upright line at P = D."""
    views, dims = sorted(runs["K"].unique()), sorted(runs["D"].unique())
    columns = across(len(dims), 1.1)
    run = set(runs[["K", "D"]].itertuples(index=False, name=None))
    places = [(K, D) for K in views for D in dims if columns == len(dims) or (K, D) in run]  # a row a K, if it fits
    figure, axes = panels(-(-len(places) // columns), columns, 1.5, sharex=True, sharey=True)
    empty = [ax for ax, place in zip_longest(axes.flat, places) if place not in run]
    color, points = list_colors(names), sorted(int(P) for P in runs["P"].unique())
    for ax, (K, D) in zip(axes.flat, places, strict=False):
        if ax in empty:
            continue
        panel = runs[(runs["K"] == K) & (runs["D"] == D)]
        for name, line in panel.groupby("variant"):
            grouped = line.groupby("P")
            mean, count = grouped["percent_error"].mean(), grouped.size()
            bars = (grouped["percent_error"].std() / np.sqrt(count)).fillna(grouped["noise"].mean())
            ax.errorbar(mean.index, mean, yerr=bars, color=color[name], marker="o", ms=3)
        fine = np.geomspace(points[0], points[-1], 100)
        ax.plot(fine, level_of(panel)(fine, D), color=THEORY, lw=0.6, zorder=0)
        ax.axvline(D, color="0.8", lw=0.8, zorder=0)
        size_ticks(ax, points, upright=len(points) > 3)
        ax.set_title(f"D = {D}, K = {K}", fontsize=7, pad=3)
    axes[0, 0].set_ylim(bottom=0)
    remove(axes, empty)
    figure.supxlabel(SIZES["P"])
    return _legend(figure, color, line_mark("0.8", "P = D", lw=0.8))


def draw_trajectories(cells: dict[Key, Cell], names: list[str]) -> Figure:
    """Rows P (the largest on top), columns D, log-log: percent error against compute of the smallest K that all sweeps
    have."""
    shared = set.intersection(*({key[3] for key in cells if key[0] == name} for name in names))
    K = min(shared) if shared else min(key[3] for key in cells)
    mine = {key: cell for key, cell in cells.items() if key[3] == K}
    rows, columns = sorted({key[1] for key in mine}, reverse=True), sorted({key[2] for key in mine})
    figure, axes = panels(len(rows), len(columns), 0.95, sharex=True, sharey=True)
    color = list_colors(names)
    for (name, P, D, _), cell in mine.items():
        ax = axes[rows.index(P), columns.index(D)]
        ax.errorbar(cell.x, cell.error, yerr=cell.error_se, fmt="o", ms=1.8, lw=0.5, color=color[name])
    for i, P in enumerate(rows):
        axes[i, 0].set_ylabel(f"P = {P}", fontsize=7, weight="bold")
        for ax, D in zip(axes[i], columns, strict=True):
            ax.set(xscale="log", yscale="log")
            ax.xaxis.set_major_locator(LogLocator(numticks=3))
            if i == 0:
                ax.set_title(f"D = {D}", fontsize=7, weight="bold")
            if P == D:
                frame(ax)
            level = float(next((cell.level for key, cell in mine.items() if key[1:3] == (P, D)), Level())(P, D))
            ax.axhline(level, color=THEORY, lw=0.6, zorder=0)
    errors = np.concatenate([cell.error for cell in mine.values()])
    plain_ticks(axes.flat, "y", 0.85 * errors.min(), min(1.0, 1.2 * errors.max()), small=True)
    remove(axes, [
        axes[i, j] for i, P in enumerate(rows) for j, D in enumerate(columns)
        if i and j and not any(key[1:3] == (P, D) for key in mine)
    ])  # fmt: skip
    figure.supxlabel(f"compute (FLOPs), K = {K} views")
    return _legend(figure, color, interval_mark("± 1 standard error"))


def _legend(figure: Figure, color: dict[str, str], more: Line2D) -> Figure:
    figure.supylabel(ERROR)
    marks = [line_mark(c, str(name), marker="o") for name, c in color.items()]
    legend(figure, [*marks, line_mark(THEORY, BASELINE, lw=0.6), more])
    return figure
