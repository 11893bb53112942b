"""Sweeps drawn over each other: final errors against P, and errors along the runs."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.estimates.fit_data import Cell, Key
from analysis.estimates.uniform_baseline import Level, level_of
from analysis.figures.style import THEORY, colors, plain_ticks


def draw_errors(runs: pd.DataFrame, names: list[str]) -> Figure:
    """Rows K, columns D: final percent error against P, a color for each sweep."""
    views, dims = sorted(runs["K"].unique()), sorted(runs["D"].unique())
    figure, axes = _panels(len(views), len(dims))
    color = colors(names)
    for row, K in zip(axes, views, strict=True):
        for ax, D in zip(row, dims, strict=True):
            panel = runs[(runs["K"] == K) & (runs["D"] == D)]
            for name, line in panel.groupby("variant"):
                grouped = line.groupby("P")
                mean, count = grouped["percent_error"].mean(), grouped.size()
                bars = (grouped["percent_error"].std() / np.sqrt(count)).fillna(grouped["noise"].mean())
                ax.errorbar(mean.index, mean, yerr=bars, color=color[name], marker="o", ms=3)
            points = sorted(runs["P"].unique())
            fine = np.geomspace(points[0], points[-1], 100)
            ax.plot(fine, level_of(panel)(fine, D), color=THEORY, lw=0.5, zorder=0)
            ax.axvline(D, color="0.8", lw=0.8, zorder=0)
            ax.set_xscale("log", base=2)
            ax.set_xticks(points, [str(P) for P in points], rotation=90 if len(points) > 4 else 0)
            ax.minorticks_off()
            ax.set_title(f"D = {D}, K = {K}", fontsize=7, pad=3)
    axes[0, 0].set_ylim(bottom=0)
    figure.supxlabel("P, images per batch", fontsize=8)
    return _legend(figure, color)


def draw_trajectories(cells: dict[Key, Cell], names: list[str]) -> Figure:
    """Rows P, columns D, log-log: percent error against compute of the smallest K that all sweeps have."""
    shared = set.intersection(*({key[3] for key in cells if key[0] == name} for name in names))
    K = min(shared) if shared else min(key[3] for key in cells)
    mine = {key: cell for key, cell in cells.items() if key[3] == K}
    rows, columns = sorted({key[1] for key in mine}), sorted({key[2] for key in mine})
    figure, axes = _panels(len(rows), len(columns))
    color = colors(names)
    for (name, P, D, _), cell in mine.items():
        ax = axes[rows.index(P), columns.index(D)]
        ax.errorbar(cell.x, cell.error, yerr=cell.error_se, fmt="o", ms=1.8, lw=0.5, color=color[name])
    for (i, P), (j, D) in itertools.product(enumerate(rows), enumerate(columns)):
        axes[i, j].set(xscale="log", yscale="log")
        axes[i, j].set_title(f"P = {P}, D = {D}, K = {K}", fontsize=7, pad=3)
        level = float(next((cell.level for key, cell in mine.items() if key[1:3] == (P, D)), Level())(P, D))
        axes[i, j].axhline(level, color=THEORY, lw=0.5, zorder=0)
    errors = np.concatenate([cell.error for cell in mine.values()])
    plain_ticks(axes.flat, "y", 0.85 * errors.min(), min(1.0, 1.2 * errors.max()))
    figure.supxlabel("compute (FLOPs)", fontsize=8)
    return _legend(figure, color)


def _panels(rows: int, columns: int) -> tuple[Figure, np.ndarray[Any, np.dtype[Any]]]:
    size = (max(3.6, 1.5 * columns + 0.9), 1.4 * rows + 0.9)
    figure, axes = plt.subplots(
        rows, columns, figsize=size, squeeze=False, sharex=True, sharey=True, layout="constrained"
    )
    return figure, axes


def _legend(figure: Figure, color: dict[object, str]) -> Figure:
    figure.supylabel("pretraining percent error", fontsize=8)
    handles = [Line2D([], [], color=c, marker="o", ms=3, label=str(name)) for name, c in color.items()]
    handles.append(Line2D([], [], color=THEORY, lw=0.5, label="$e_\\infty$(P, D)"))
    figure.legend(handles=handles, loc="outside upper center", ncols=min(3, len(handles)))
    return figure
