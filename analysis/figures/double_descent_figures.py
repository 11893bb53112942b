"""Double descent drawn: percent error against P for each D and D for each P, peaks marked, theory beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.estimates.uniform_baseline import level_of, level_table
from analysis.figures.error_decomposition import draw_gap, gap_table
from analysis.figures.heat_map import draw_heat_map
from analysis.figures.style import THEORY, colors, save, save_one_of
from analysis.figures.uniform_baseline_figure import draw_levels
from analysis.sweep_analysis import SweepAnalysis
from mmcr_core.theory import simulate_uniform

SIMULATIONS = 4  # of uniform embeddings of each size


def double_descent_figures(analysis: SweepAnalysis, folder: Path) -> list[Path]:
    """Draw and save three figures a variant, and one of all where data sets of several sizes were trained on; the
    paths of the PNGs."""
    every, peaks, noise, runs = analysis.runs, analysis.peaks, analysis.tail_errors, analysis.finished
    simulated = simulate(runs)
    paths = []
    for i, (variant, part) in enumerate(runs.groupby("variant")):
        drawn = {
            "double_descent": draw(part, peaks[peaks["variant"] == variant], noise, simulated),
            "error_map": draw_map(every[every["variant"] == variant]),
        }
        if not (split := gap_table(part)).empty:
            drawn["gap"] = draw_gap(split)
        for name, figure in drawn.items():
            paths.append(save_one_of(figure, folder, name, i, runs["variant"].nunique(), str(variant)))
    if not (levels := level_table(runs)).empty:
        paths.append(save(draw_levels(levels), folder, "levels"))
    return paths


def summary(peaks: pd.DataFrame) -> pd.DataFrame:
    """For each D: the P at which the error is largest, whether that is P = D, and the fitted peak."""
    columns = peaks[peaks["along"] == "P"]
    largest = (columns["at"] * 2.0 ** columns["largest_at"]).round().astype(int)
    return pd.DataFrame(
        {
            "variant": columns["variant"],
            "K": columns["K"],
            "D": columns["at"],
            "largest at P": largest,
            "P = D": np.where(largest == columns["at"], "yes", "no"),
            "percent error": columns["height"].round(4),
            "peak, log2(P/D)": columns["location"].round(2),
            "95 % interval": [
                f"{low:.2f} to {high:.2f}" if np.isfinite(low) else ""
                for low, high in zip(columns["location_low"], columns["location_high"], strict=True)
            ],
            "note": columns["reason"],
        }
    )


def simulate(runs: pd.DataFrame) -> pd.Series:
    """Mean percent error of uniform embeddings of each size P, D that was run: e_inf at finite size."""
    rng = np.random.default_rng(0)
    sizes = sorted(set(zip(runs["P"], runs["D"], strict=True)))
    means = [float(np.mean([simulate_uniform(P, D, rng) for _ in range(SIMULATIONS)])) for P, D in sizes]
    return pd.Series(means, index=pd.MultiIndex.from_tuples(sizes, names=["P", "D"]))


def draw(runs: pd.DataFrame, peaks: pd.DataFrame, noise: pd.Series, simulated: pd.Series) -> Figure:
    """A row of panels for each K: error against P (a line a D), error against D (a line a P). Against a P or D of which
    there is a single value nothing is drawn."""
    views = sorted(runs["K"].unique())
    both = [("P", "D"), ("D", "P")]
    sides = [(along, other) for along, other in both if runs[along].nunique() > 1] or both
    size = (2.8 * len(sides) + 1.2, 2.5 * len(views) + 0.3)
    figure, axes = plt.subplots(len(views), len(sides), figsize=size, squeeze=False, sharey=True, layout="constrained")
    for row, K in zip(axes, views, strict=True):
        part, found = runs[runs["K"] == K], peaks[peaks["K"] == K]
        for ax, (along, other) in zip(row, sides, strict=True):
            _panel(ax, part, found[found["along"] == along], noise, simulated, along, other)
            ax.set_title(f"K = {K} views")
            ax.legend(title=other, title_fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
        row[0].set_ylabel("pretraining percent error")
    axes[0, 0].set_ylim(bottom=0)  # of all panels, and so once all are drawn
    star: dict[str, Any] = {"color": "white", "mec": "black", "mew": 0.5, "ls": "none"}
    handles = [
        Line2D([], [], marker="*", ms=8, label="peak", **star),
        Line2D([], [], marker="v", ms=6, label="maximum, at the edge of the grid", **star),
        Line2D([], [], color=THEORY, lw=0.5, label="$e_\\infty$(P, D), uniform embeddings"),
        Line2D([], [], color=THEORY, marker="x", ms=3, mew=0.6, ls="none", label="the same, simulated at this size"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(sides))
    return figure


def _panel(
    ax: Axes, runs: pd.DataFrame, peaks: pd.DataFrame, noise: pd.Series, simulated: pd.Series, along: str, other: str
) -> None:
    color = colors(sorted(runs[other].unique()))
    for value, line in runs.groupby(other):
        grouped = line.groupby(along)["percent_error"]
        mean, count = grouped.mean(), grouped.size()
        bars = grouped.std() / np.sqrt(count)
        if (count == 1).all():
            bars = line.set_index(along)["run_id"].map(noise)
        ax.errorbar(mean.index, mean, yerr=bars.reindex(mean.index), color=color[value], marker="o", ms=3,
                    label=f"{value}")  # fmt: skip
        x = np.geomspace(runs[along].min(), runs[along].max(), 200)
        theory = level_of(line)(x, value)
        ax.plot(x, theory, color=THEORY, lw=0.5, zorder=0)
        finite = simulated.xs(value, level=other).reindex(mean.index)
        ax.plot(finite.index, finite, "x", color=THEORY, ms=3, mew=0.6, zorder=1)
        if len(mean) < 2:  # one cell is the maximum of nothing
            continue
        peak = peaks[peaks["at"] == value].iloc[0]
        at = value * 2.0 ** (peak["largest_at"] if along == "P" else -peak["largest_at"])
        ax.plot([at], [peak["height"]], marker="*" if peak["found"] else "v", ms=8, color=color[value],
                mec="black", mew=0.5, ls="none", zorder=5)  # fmt: skip
    ax.set_xscale("log", base=2)
    ticks = sorted(runs[along].unique())
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
    ax.set_xlabel("P, images per batch" if along == "P" else "D, embedding dimensions")


def draw_map(runs: pd.DataFrame) -> Figure:
    """Percent error over P x D for each K; a cell without a finished run says what became of it."""
    cells = runs.groupby(["P", "D", "K"])
    table = cells.agg(percent_error=("percent_error", "mean"), note=("status", "first")).reset_index()
    every = pd.MultiIndex.from_product([sorted(runs[name].unique()) for name in ("P", "D", "K")], names=["P", "D", "K"])
    table = table.set_index(["P", "D", "K"]).reindex(every).reset_index()
    missing = table["percent_error"].isna()
    table["note"] = np.where(missing, table["note"].fillna("not run"), "")
    return draw_heat_map(table, "percent_error", "pretraining percent error", digits=3)
