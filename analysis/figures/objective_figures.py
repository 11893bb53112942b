"""Objectives on the same axes: percent error, its factors and probes against compute, and their paths in the plane of
reconstruction and uniformity."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from analysis.comparisons.objective_trajectories import measured_paths, paths
from analysis.estimates.peak import finished_runs
from analysis.estimates.uniform_baseline import Level, level_of
from analysis.figures.palette import THEORY, variant_colors
from analysis.figures.style import BASELINE, LEAST, across, clear_beyond, legend, line_mark, panels, save_one_of
from analysis.results.display_names import measure_name, objective_of, variant_name
from analysis.results.results import Results

SIZES = ["P", "D", "K"]
CONTROL = "alignment"  # collapses, and would take most of each axis
APART = 1.07  # between objectives that were measured at one compute, whose bars would hide each other
LEAST_SPAN = 0.02  # of an axis of fractions: where all are alike, ticks have two or three digits
ROWS_A_PAGE = 4
COLUMNS = 4
TITLES = {"percent_error": "percent error", "reconstruction": "reconstruction r", "uniformity": "uniformity u"}
CONTOURS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
Sizes = tuple[int, int, int]


def objective_figures(results: Results, folder: Path) -> list[Path]:
    """Draw and save `objectives` and `plane` (numbered where there are more cells than a page holds); the PNGs."""
    factors, measured, runs = paths(results), measured_paths(results), finished_runs(results)
    probes = measured[measured["name"].str.endswith("_accuracy")] if len(measured) else measured
    levels = {key: level_of(group) for key, group in runs.groupby(SIZES)}
    cells = sorted(levels)
    kinds = probes[["name", "subject"]].drop_duplicates()
    each = max(1, ROWS_A_PAGE // -(-(len(TITLES) + len(kinds)) // COLUMNS))
    pages = [cells[first : first + each] for first in range(0, len(cells), each)]
    drawn = [
        save_one_of(draw_paths(factors, probes, page, levels), folder, "objectives", i, len(pages))
        for i, page in enumerate(pages)
    ]
    pages = [cells[first : first + ROWS_A_PAGE] for first in range(0, len(cells), ROWS_A_PAGE)]
    drawn += [
        save_one_of(draw_plane(factors, page, levels), folder, "plane", i, len(pages)) for i, page in enumerate(pages)
    ]
    return drawn


def draw_paths(factors: pd.DataFrame, probes: pd.DataFrame, cells: list[Sizes], levels: dict[Sizes, Level]) -> Figure:
    """For each cell P, D, K panels of the percent error, its factors and each probe against compute; a color for each
    objective, bands and bars over seeds, a thin line at the uniform baseline. The control does not count for the axes:
    where it leaves one, an arrow says where it ends."""
    kinds = list(dict.fromkeys(zip(probes["name"], probes["subject"], strict=True)))
    count = len(TITLES) + len(kinds)
    columns = across(count, 1.55, COLUMNS)
    rows = -(-count // columns)
    figure, axes = panels(rows * len(cells), columns, 1.45)
    color = variant_colors(sorted(factors["variant"].unique()))
    baseline = False  # whether any panel reaches it
    for block, cell in zip(np.split(axes, len(cells)), cells, strict=True):
        title = ", ".join(f"{name} = {value}" for name, value in zip(SIZES, cell, strict=True))
        clear_beyond(block, count)
        level = float(levels[cell](*cell[:2]))
        panel = iter(block.flat)
        for name, label in TITLES.items():
            ax = next(panel)
            _factor(ax, _of(factors, cell), name, color)
            if name != "reconstruction":
                at = level if name == "percent_error" else 1 - level
                ax.axhline(at, color=THEORY, lw=0.6, zorder=0)
                baseline |= ax.get_ylim()[0] < at < ax.get_ylim()[1]
            ax.set_title(f"{title}\n{label}" if len(cells) > 1 and name == "percent_error" else label, fontsize=LEAST)
        first = float(factors["flops"].min())
        for ax, kind in zip(panel, kinds, strict=False):
            mine = _of(probes, cell)
            mine = mine[(mine["name"] == kind[0]) & (mine["subject"] == kind[1])]
            _probe(ax, mine, color, first)
            ax.set_title("\n".join(filter(None, [measure_name(kind[0]), kind[1]])), fontsize=LEAST)
    several = bool(factors["percent_error_low"].notna().any())
    figure.supxlabel("compute (FLOPs)")
    figure.supylabel("fraction" + ("" if len(cells) > 1 else f" ({title})"))
    return _legend(figure, color, [
        *([Patch(color="0.8", label="95% interval over seeds, cut at the panel")] if several else []),
        *(line_mark(color[name], "↑ ↓ where the control ends", ls="none")
          for name in color if objective_of(name) == CONTROL),
        *([line_mark(THEORY, BASELINE, lw=0.6)] if baseline else []),
    ])  # fmt: skip


def draw_plane(factors: pd.DataFrame, cells: list[Sizes], levels: dict[Sizes, Level]) -> Figure:
    """A panel per cell: uniformity against reconstruction along each objective's runs, a ring where they begin and a
    dot where they end; contours of the percent error 1 - r u, 0 in the corner where MMCR's bound is reached."""
    columns = across(len(cells), 2.6, 2)
    figure, axes = panels(-(-len(cells) // columns), columns, 2.7, 3.375 * columns, sharex=True, sharey=True)
    clear_beyond(axes, len(cells))
    color = variant_colors(sorted(factors["variant"].unique()))
    low = (0.98 * factors["reconstruction"].min(), 0.95 * factors["uniformity"].min())
    for ax, cell in zip(axes.flat, cells, strict=False):
        ax.set(xlim=(low[0], 1 + 0.02 * (1 - low[0])), ylim=(low[1], 1 + 0.02 * (1 - low[1])))
        _contours(ax)
        ax.axhline(1 - float(levels[cell](*cell[:2])), color=THEORY, lw=0.8, ls=":", zorder=0)
        for variant, path in _of(factors, cell).groupby("variant"):
            r, u = path["reconstruction"].to_numpy(), path["uniformity"].to_numpy()
            ax.plot(r, u, color=color[variant], lw=1, ls=_dash(variant))
            ax.plot(r[:1], u[:1], "o", mfc="white", mec=color[variant], ms=4)
            ax.plot(r[-1:], u[-1:], "o", color=color[variant], ms=4)
        ax.set_title("P = {}, D = {}, K = {}".format(*cell))
    figure.supxlabel("reconstruction r (fraction)")
    figure.supylabel("uniformity u (fraction)")
    return _legend(figure, color, [
        *start_and_end(),
        line_mark("0.75", "percent error $1 - r\\,u$", lw=0.6),
        line_mark(THEORY, "u of the uniform baseline", lw=0.8, ls=":"),
    ])  # fmt: skip


def start_and_end() -> list[Artist]:
    """The legend's entries of where runs begin and end."""
    return [
        line_mark("0.3", "untrained", marker="o", mfc="white", ls="none"),
        line_mark("0.3", "end of training", marker="o", ls="none"),
    ]


def _of(table: pd.DataFrame, cell: Sizes) -> pd.DataFrame:
    return table[(table[SIZES] == list(cell)).all(axis=1)]


def _factor(ax: Axes, table: pd.DataFrame, name: str, color: dict[str, str]) -> None:
    ax.set_xscale("log")
    for variant, path in table.groupby("variant"):
        ax.plot(path["flops"], path[name], color=color[variant], lw=1, ls=_dash(variant))
        low, high = (path[f"{name}_{end}"].clip(0, 1) for end in ("low", "high"))  # as all three are
        ax.fill_between(path["flops"], low, high, color=color[variant], alpha=0.15, lw=0)
    _main_scale(ax, table, name, color)


def _probe(ax: Axes, measured: pd.DataFrame, color: dict[str, str], first: float) -> None:
    """Accuracy where it was measured along runs, before the first step at the left edge, objectives APART; side by side
    where it was measured at the end alone."""
    along = len(measured) and measured.groupby("variant")["step"].nunique().max() > 1
    if along:
        ax.set_xscale("log")
    variants = measured["variant"].nunique()
    for place, (variant, path) in enumerate(measured.groupby("variant")):
        aside = np.where(path["step"] > 0, APART ** (place - (variants - 1) / 2), 1.0)
        x = np.maximum(path["flops"], first / 2) * aside if along else np.full(len(path), place)
        ax.errorbar(x, path["value"], yerr=_bars(path), color=color[variant], marker="o", ms=2.2, lw=0.9,
                    elinewidth=0.6, ls=_dash(variant))  # fmt: skip
    if not along:
        ax.set_xticks([])
    _main_scale(ax, measured, "value", color)


def _main_scale(ax: Axes, table: pd.DataFrame, name: str, color: dict[str, str]) -> None:
    """Limits of what objectives reach, bands of few seeds cut; an arrow where the control leaves them."""
    control = table["variant"].map(objective_of) == CONTROL
    main = table[~control] if (~control).any() else table
    low, high = float(main[name].min()), float(main[name].max())
    margin = 0.1 * max(high - low, LEAST_SPAN)
    low, high = max(-0.02, low - margin), min(1.02, high + margin)
    ax.set_ylim(low, high)
    for variant, path in table[control].groupby("variant"):
        end = float(path.sort_values("flops")[name].iloc[-1])
        if not low <= end <= high:
            up = end > high
            ax.annotate(f"{'↑' if up else '↓'} {end:.2f}", (0.98, 0.98 if up else 0.02), xycoords="axes fraction",
                        ha="right", va="top" if up else "bottom", color=color[variant], fontsize=LEAST,
                        bbox={"fc": "white", "ec": "none", "pad": 0.5, "alpha": 0.8})  # fmt: skip


def _dash(variant: str) -> str:
    return "--" if objective_of(variant) == CONTROL else "-"


def _bars(path: pd.DataFrame) -> NDArray[np.float64]:
    """(2, n): down and up from each accuracy to the ends of its interval, within 0 to 1."""
    value = path["value"].to_numpy()
    low, high = (path[f"value_{end}"].fillna(path["value"]).clip(0, 1).to_numpy() for end in ("low", "high"))
    bars: NDArray[np.float64] = np.stack([value - low, high - value])
    return bars


def _contours(ax: Axes) -> None:
    r, u = np.meshgrid(np.linspace(*ax.get_xlim(), 100), np.linspace(*ax.get_ylim(), 100))
    lines = ax.contour(r, u, 1 - r * u, CONTOURS, colors="0.75", linewidths=0.6)
    ax.clabel(lines, fmt="%g", fontsize=LEAST, inline_spacing=2)


def _legend(figure: Figure, color: dict[str, str], more: Iterable[Artist]) -> Figure:
    legend(figure, [*(line_mark(c, variant_name(name), ls=_dash(name)) for name, c in color.items()), *more])
    return figure
