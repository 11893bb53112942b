"""Double descent drawn: percent error against P for each D and D for each P, peaks marked, the baseline beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.estimates.uniform_baseline import level_of, level_table
from analysis.figures.error_decomposition import draw_gap, gap_table
from analysis.figures.heat_map import draw_heat_map
from analysis.figures.palette import size_colors
from analysis.figures.style import (
    BASELINE,
    ERROR,
    SIZES,
    across,
    clear_beyond,
    interval_mark,
    legend,
    line_mark,
    panels,
    save,
    save_one_of,
    size_ticks,
)
from analysis.figures.uniform_baseline_figure import draw_levels
from analysis.results.display_names import variant_name, variant_names
from analysis.sweep_analysis import SweepAnalysis

VISIBLE = 0.015  # of the axis' height: error bars that stand out of their markers


def double_descent_figures(analysis: SweepAnalysis, folder: Path, every_view: bool = False) -> list[Path]:
    """Draw and save three figures a variant, of the smallest K or of every one (fewer where P and D do not vary, see
    `not_drawn`), and one of all where data sets of several sizes were trained on; the paths of the PNGs."""
    every, peaks, noise, runs = analysis.runs, analysis.peaks, analysis.tail_errors, analysis.finished
    paths = []
    for i, (variant, part) in enumerate(runs.groupby("variant")):
        one_size = not has_sizes(part)
        shown = part if every_view or one_size else of_smallest_view(part)
        drawn = {}
        if not one_size:
            drawn["double_descent"] = draw(shown, peaks[peaks["variant"] == variant], noise)
            drawn["error_map"] = draw_map(every[every["variant"] == variant])
        if len(split := gap_table(shown)) > 1:
            drawn["gap"] = draw_gap(split)
        for name, figure in drawn.items():
            title = variant_name(str(variant))
            paths.append(save_one_of(figure, folder, name, i, runs["variant"].nunique(), title))
    if not (levels := level_table(runs)).empty:
        paths.append(save(draw_levels(levels), folder, "levels"))
    return paths


def has_sizes(runs: pd.DataFrame) -> bool:
    """Whether runs differ in P or D, so that there is something to draw against either."""
    return bool(max(runs["P"].nunique(), runs["D"].nunique()) > 1)


def not_drawn(runs: pd.DataFrame) -> str:
    """Why there is no figure against P or D of some variants, for people; empty where there is one of each."""
    parts = list(runs.groupby("variant"))
    single = [str(variant) for variant, part in parts if not has_sizes(part)]
    of = f" of {variant_names(single)}" if len(parts) > 1 else ""
    return f"All runs{of} have the same P and D: nothing to draw against either, and no peak to find." if single else ""


def of_smallest_view(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of the smallest K that has several P or D, else of the smallest."""
    sizes = runs.groupby("K")[["P", "D"]].nunique().max(axis=1)
    several = sizes[sizes > 2] if (sizes > 2).any() else sizes
    return runs[runs["K"] == several.index.min()]


def summarized_along(peaks: pd.DataFrame) -> str:
    """What the summary of peaks goes along: P, or D where P has one value and D several."""
    at = peaks.groupby("along")["at"].nunique()
    return "D" if at["D"] == 1 < at["P"] else "P"


def summary_title(peaks: pd.DataFrame) -> str:
    """What the summary of peaks shows."""
    along, other = "DP" if summarized_along(peaks) == "D" else "PD"
    return f"Largest percent error over {along}, for each {other}"


def summary(peaks: pd.DataFrame) -> pd.DataFrame:
    """For each D: the P at which the error is largest, whether that is P = D, and the fitted peak. For each P the same
    over D where P has one value."""
    along, other = "DP" if summarized_along(peaks) == "D" else "PD"
    columns = peaks[peaks["along"] == along]
    largest = (columns["at"] * 2.0 ** (columns["largest_at"] * (1 if along == "P" else -1))).round().astype(int)
    return pd.DataFrame(
        {
            "variant": columns["variant"],
            "K": columns["K"],
            other: columns["at"],
            f"largest at {along}": largest,
            "P = D": np.where(largest == columns["at"], "yes", "no"),
            "percent error": columns["height"].round(4),
            "peak, log2(P/D)": ["" if np.isnan(at) else f"{at:+.2f}" for at in columns["location"]],
            "95% interval": [
                f"{low:.2f} to {high:.2f}" if np.isfinite(low) else ""
                for low, high in zip(columns["location_low"], columns["location_high"], strict=True)
            ],
            "note": columns["reason"],
        }
    )


def draw(runs: pd.DataFrame, peaks: pd.DataFrame, noise: pd.Series) -> Figure:
    """Two panels for each K: error against P (a line a D), error against D (a line a P), with the baseline as a dashed
    line, and simulated at the size of the cells. Against a P or D of which there is a single value nothing is drawn."""
    views = sorted(runs["K"].unique())
    both = [("P", "D"), ("D", "P")]
    sides = [(along, other) for along, other in both if runs[along].nunique() > 1] or both
    places = [(K, *side) for K in views for side in sides]
    columns = across(len(places), 2.4, 2)
    figure, axes = panels(-(-len(places) // columns), columns, 2.3, 3.6 * columns, sharey=True)
    clear_beyond(axes, len(places))
    marked: set[str] = set()
    bars = 0.0
    for ax, (K, along, other) in zip(axes.flat, places, strict=False):
        found = peaks[(peaks["K"] == K) & (peaks["along"] == along)]
        marks, tallest = _panel(ax, runs[runs["K"] == K], found, noise, along, other)
        marked, bars = marked | marks, max(bars, tallest)
        ax.set_title(f"K = {K} views")
        if ax in axes[:, 0]:
            ax.set_ylabel(ERROR)
    axes[0, 0].set_ylim(bottom=0)  # of all panels, and so once all are drawn
    top = axes[0, 0].get_ylim()[1]
    star: dict[str, Any] = {"color": "white", "mec": "black", "mew": 0.6, "ls": "none"}
    handles = [
        line_mark("0.3", "measured, mean over seeds" if runs["seed"].nunique() > 1 else "measured", marker="o"),
        line_mark(**star, label="peak that noise does not explain", marker="*", ms=8),
        line_mark(**star, label="maximum at the edge of the grid, or within noise", marker="v", ms=5.5),
        line_mark("0.3", f"{BASELINE}, in the limit of large P and D", lw=0.8, ls="--"),
        line_mark("0.3", "simulated baseline, at this P, D and data-set size", marker="x", ls="none", mew=0.8),
    ]
    handles = [mark for mark in handles if mark.get_marker() not in ("*", "v") or mark.get_marker() in marked]
    if bars > VISIBLE * top:
        handles.insert(1, interval_mark("± 1 standard error"))
    legend(figure, handles)
    return figure


def _panel(
    ax: Axes, runs: pd.DataFrame, peaks: pd.DataFrame, noise: pd.Series, along: str, other: str
) -> tuple[set[str], float]:
    """Draw; which markers of maxima there are, and the longest error bar."""
    color, marks, tallest = size_colors(other, sorted(runs[other].unique())), set(), 0.0
    for value, line in runs.groupby(other):
        grouped, level = line.groupby(along)["percent_error"], level_of(line)
        mean, count = grouped.mean(), grouped.size()
        bars = grouped.std() / np.sqrt(count)
        if (count == 1).all():
            bars = line.set_index(along)["run_id"].map(noise)
        bars = bars.reindex(mean.index)
        tallest = max(tallest, float(bars.fillna(0).max()))
        ax.errorbar(mean.index, mean, yerr=bars, color=color[value], marker="o", ms=3, elinewidth=0.8, zorder=3)
        ax.plot([], [], color=color[value], marker="o", ms=3, label=f"{value}")
        x = np.geomspace(line[along].min(), line[along].max(), 200)
        ax.plot(x, level(x, value), color=color[value], lw=0.8, ls="--", zorder=1)
        sizes = [(size, value) if along == "P" else (value, size) for size in mean.index]
        finite = [level.simulate(int(P), int(D)) for P, D in sizes]
        ax.plot(mean.index, finite, "x", color=color[value], ms=3.5, mew=0.8, zorder=2)
        if len(mean) < 3:  # fewer points have no peak
            continue
        peak = peaks[peaks["at"] == value].iloc[0]
        at = value * 2.0 ** (peak["largest_at"] if along == "P" else -peak["largest_at"])
        mark = "*" if peak["found"] else "v"
        marks.add(mark)
        ax.plot([at], [peak["height"]], marker=mark, ms=8 if mark == "*" else 5.5, color=color[value], mec="black",
                mew=0.6, ls="none", zorder=5)  # fmt: skip
    size_ticks(ax, sorted(runs[along].unique()))
    ax.set_xlabel(SIZES[along])
    ax.legend(title=other, loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.2)
    return marks, tallest


def draw_map(runs: pd.DataFrame) -> Figure:
    """Percent error over P x D for each K; a cell whose runs all failed says what became of them."""
    cells = runs.groupby(["P", "D", "K"])
    table = cells.agg(percent_error=("percent_error", "mean"), note=("status", "first")).reset_index()
    return draw_heat_map(table, "percent_error", ERROR, digits=3, absent="blank: not run")
