"""Objectives on the same axes: percent error, its factors and probes against compute, and their paths in the plane of
reconstruction and uniformity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from analysis.comparisons.objective_trajectories import measured_paths, paths
from analysis.estimates.peak import finished_runs
from analysis.estimates.uniform_baseline import Level, level_of
from analysis.figures.style import THEORY, colors, save_one_of
from analysis.results.results import Results

SIZES = ["P", "D", "K"]
ROWS_A_PAGE = 4
TITLES = {"percent_error": "percent error", "reconstruction": "reconstruction", "uniformity": "uniformity"}
CONTOURS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
Sizes = tuple[int, int, int]


def objective_figures(results: Results, folder: Path) -> list[Path]:
    """Draw and save `objectives` and `plane` (numbered where there are more cells than a page holds); the PNGs."""
    factors, measured, runs = paths(results), measured_paths(results), finished_runs(results)
    probes = measured[measured["name"].str.endswith("_accuracy")] if len(measured) else measured
    levels = {key: level_of(group) for key, group in runs.groupby(SIZES)}
    cells = sorted(levels)
    pages = [cells[first : first + ROWS_A_PAGE] for first in range(0, len(cells), ROWS_A_PAGE)]
    drawn = []
    for i, page in enumerate(pages):
        drawn.append(save_one_of(draw_paths(factors, probes, page, levels), folder, "objectives", i, len(pages)))
        drawn.append(save_one_of(draw_plane(factors, page, levels), folder, "plane", i, len(pages)))
    return drawn


def draw_paths(factors: pd.DataFrame, probes: pd.DataFrame, cells: list[Sizes], levels: dict[Sizes, Level]) -> Figure:
    """Rows: cells P, D, K. Columns: percent error and its factors, then each probe, against compute; a color for each
    objective, bands and bars over seeds, a thin line at the uniform baseline."""
    kinds = list(dict.fromkeys(zip(probes["name"], probes["subject"], strict=True)))
    columns = len(TITLES) + len(kinds)
    size = (1.75 * columns + 0.4, 1.55 * len(cells) + 1.0)
    figure, axes = plt.subplots(
        len(cells), columns, figsize=size, squeeze=False, sharex="col", sharey="col", layout="constrained"
    )
    along = probes.groupby("variant")["step"].nunique().max() if len(probes) else 0
    color = colors(sorted(factors["variant"].unique()))
    for row, cell in zip(axes, cells, strict=True):
        for variant, path in _of(factors, cell).groupby("variant"):
            for ax, name in zip(row, TITLES, strict=False):
                _band(ax, path, name, color[variant])
        level = float(levels[cell](*cell[:2]))
        row[0].axhline(level, color=THEORY, lw=0.5, zorder=0)
        row[2].axhline(1 - level, color=THEORY, lw=0.5, zorder=0)
        row[0].set_ylabel("P = {}, D = {}, K = {}".format(*cell), fontsize=7)
        for ax, kind in zip(row[len(TITLES) :], kinds, strict=True):
            mine = _of(probes, cell)
            mine = mine[(mine["name"] == kind[0]) & (mine["subject"] == kind[1])]
            if along > 1:
                _probe_path(ax, mine, color, first=float(factors["flops"].min()))
            else:
                _probe_at_the_end(ax, mine, color)
    for column, name in zip(axes.T, TITLES, strict=False):
        low, high = factors[name].min(), factors[name].max()
        margin = 0.08 * (high - low)
        column[0].set_ylim(max(0, low - margin), min(1.02, high + margin))  # bands of two seeds are wider than the axis
    for ax, name in zip(axes[0], [*TITLES.values(), *(_probe_name(*kind) for kind in kinds)], strict=True):
        ax.set_title(name, fontsize=7, pad=3)
    for ax in axes[:, : columns if along > 1 else len(TITLES)].flat:
        ax.set_xscale("log")
    figure.supxlabel("compute (FLOPs)", fontsize=8)
    return _legend(figure, color, columns)


def draw_plane(factors: pd.DataFrame, cells: list[Sizes], levels: dict[Sizes, Level]) -> Figure:
    """A panel per cell: uniformity against reconstruction along each objective's runs, a ring where they begin and a
    dot where they end; contours of the percent error 1 - r u, 0 in the corner where MMCR's bound is reached."""
    columns = min(2, len(cells))
    rows = -(-len(cells) // columns)
    size = (3.1 * columns + 0.3, 2.8 * rows + 0.9)
    figure, axes = plt.subplots(
        rows, columns, figsize=size, squeeze=False, sharex=True, sharey=True, layout="constrained"
    )
    color = colors(sorted(factors["variant"].unique()))
    low = (0.98 * factors["reconstruction"].min(), 0.95 * factors["uniformity"].min())
    for ax, cell in zip(axes.flat, cells, strict=False):
        ax.set(xlim=(low[0], 1 + 0.02 * (1 - low[0])), ylim=(low[1], 1 + 0.02 * (1 - low[1])))
        _contours(ax)
        ax.axhline(1 - float(levels[cell](*cell[:2])), color=THEORY, lw=0.8, ls=":", zorder=0)
        for variant, path in _of(factors, cell).groupby("variant"):
            r, u = path["reconstruction"].to_numpy(), path["uniformity"].to_numpy()
            ax.plot(r, u, color=color[variant], lw=1)
            ax.plot(r[:1], u[:1], "o", mfc="white", mec=color[variant], ms=4)
            ax.plot(r[-1:], u[-1:], "o", color=color[variant], ms=4)
        ax.set_title("P = {}, D = {}, K = {}".format(*cell), fontsize=7, pad=3)
    for ax in axes.flat[len(cells) :]:
        ax.axis("off")
    figure.supxlabel("reconstruction r, rms length of mean embeddings", fontsize=8)
    figure.supylabel("uniformity u, flatness of their spectrum", fontsize=8)
    more = [
        Line2D([], [], color="0.75", lw=0.6, label="percent error $1 - r\\,u$"),
        Line2D([], [], color=THEORY, lw=0.8, ls=":", label="uniform embeddings"),
    ]
    return _legend(figure, color, 2 * columns, more)


def _of(table: pd.DataFrame, cell: Sizes) -> pd.DataFrame:
    return table[(table[SIZES] == list(cell)).all(axis=1)]


def _band(ax: Axes, path: pd.DataFrame, name: str, color: str) -> None:
    ax.plot(path["flops"], path[name], color=color, lw=1)
    low, high = (path[f"{name}_{end}"].clip(0, 1) for end in ("low", "high"))  # as all three are
    ax.fill_between(path["flops"], low, high, color=color, alpha=0.15, lw=0)


def _probe_path(ax: Axes, measured: pd.DataFrame, color: dict[object, str], first: float) -> None:
    """Accuracy where it was measured; what was measured before the first step stands at the left edge."""
    for variant, path in measured.groupby("variant"):
        x = np.maximum(path["flops"], first / 2)
        ax.errorbar(x, path["value"], yerr=_bars(path), color=color[variant], marker="o", ms=2.5, lw=0.8)


def _probe_at_the_end(ax: Axes, measured: pd.DataFrame, color: dict[object, str]) -> None:
    """Accuracy of objectives side by side, where it was measured at the end alone."""
    places = {variant: place for place, variant in enumerate(color)}
    for variant, path in measured.groupby("variant"):
        ax.errorbar([places[variant]], path["value"], yerr=_bars(path), color=color[variant], marker="o", ms=3, lw=0.8)
    ax.set_xticks(range(len(places)), [str(variant) for variant in places], rotation=90, fontsize=5)


def _bars(path: pd.DataFrame) -> NDArray[np.float64]:
    """(2, n): down and up from each accuracy to the ends of its interval, within 0 to 1."""
    value = path["value"].to_numpy()
    low, high = (path[f"value_{end}"].fillna(path["value"]).clip(0, 1).to_numpy() for end in ("low", "high"))
    bars: NDArray[np.float64] = np.stack([value - low, high - value])
    return bars


def _probe_name(name: str, subject: str) -> str:
    return name.replace("_", " ").replace("knn", "kNN") + (f"\n{subject}" if subject else "")


def _contours(ax: Axes) -> None:
    r, u = np.meshgrid(np.linspace(*ax.get_xlim(), 100), np.linspace(*ax.get_ylim(), 100))
    lines = ax.contour(r, u, 1 - r * u, CONTOURS, colors="0.75", linewidths=0.6)
    ax.clabel(lines, fmt="%g", fontsize=6, inline_spacing=2)


def _legend(figure: Figure, color: dict[object, str], columns: int, more: list[Line2D] | None = None) -> Figure:
    handles = [Line2D([], [], color=c, marker="o", ms=3, label=str(name)) for name, c in color.items()]
    figure.legend(handles=handles + (more or []), loc="outside upper center", ncols=max(2, columns))
    return figure
