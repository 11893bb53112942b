"""Theory beside simulation, where no network is needed.

Percent error of perfectly uniform embeddings: random unit rows, N of them in D dimensions, figure 1 of Isik et al. 2023
with the bound and the Marchenko-Pastur limit drawn through it. And Cover's transition, the capacity of points: which
share of random labelings of P points in N dimensions is linearly separable.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from scipy import stats

from analysis.figures.palette import THEORY, size_colors
from analysis.figures.style import across, interval_mark, legend, line_mark, panels
from mmcr_core.theory import (
    expected_percent_error,
    linearly_separable,
    nuclear_norm_bound,
    separable_probability,
    simulate_uniform,
)
from sweeps.cli.progress import track

BOUND = "#D55E00"
COVER_DIMS = (5, 15, 50)
COVER_RATIOS = np.arange(5, 18) / 5  # P / N: whole P for each N
LEVEL = 0.95  # of intervals


def simulate(sizes: list[int], repeats: int, seed: int) -> pd.DataFrame:
    """N, D, mean, std, expected for each pair of `sizes`: percent errors of uniform unit rows."""
    rng = np.random.default_rng(seed)
    rows = []
    for N, D in track(list(itertools.product(sizes, sizes)), "simulating"):
        draws = [simulate_uniform(N, D, rng) for _ in range(repeats)]
        rows.append((N, D, np.mean(draws), np.std(draws, ddof=1), expected_percent_error(N, D)))
    return pd.DataFrame(rows, columns=["N", "D", "mean", "std", "expected"])


def draw(table: pd.DataFrame) -> Figure:
    """Three panels, log-log: nuclear norm against D with its bound, percent error against D and against N."""
    columns = across(3, 2.0)
    figure, axes = panels(3 // columns, columns, 2.3)
    norm, over_dims, over_points = axes.flat
    over_points.sharey(over_dims)
    _panel(norm, table, "D", "N", lambda error, N, D: (1 - error) * nuclear_norm_bound(N, D))
    _panel(over_dims, table, "D", "N", lambda error, N, D: error)
    _panel(over_points, table, "N", "D", lambda error, N, D: error)
    fine = np.geomspace(table["D"].min(), table["D"].max(), 300)
    for N in table["N"].unique():
        norm.plot(fine, nuclear_norm_bound(N, fine), color=BOUND, lw=0.6, ls="--", zorder=0)
    norm.set_ylabel("nuclear norm")
    over_dims.set_ylabel("percent error (fraction)")
    peak = 1 - 8 / (3 * np.pi)
    for ax in (over_dims, over_points):
        ax.axhline(peak, color=BOUND, lw=0.8, ls=":")
    legend(figure, [
        line_mark("0.4", "simulation, mean", marker="o", ls="none", ms=3),
        Patch(color="0.8", label="± 1 standard deviation"),
        line_mark(THEORY, "Marchenko-Pastur limit", lw=0.8),
        line_mark(BOUND, "bound $\\sqrt{N \\min(N, D)}$", lw=0.8, ls="--"),
        line_mark(BOUND, "$1 - 8/(3\\pi)$, the limit at N = D", lw=0.8, ls=":"),
    ])  # fmt: skip
    return figure


def simulate_labelings(repeats: int, seed: int) -> pd.DataFrame:
    """P, N, share, low, high, expected: of `repeats` random labelings of P Gaussian points in N dimensions, each with
    its own points, the share that is separable, Wilson's interval, and Cover's value."""
    rng = np.random.default_rng(seed)
    rows = []
    for N, ratio in track(list(itertools.product(COVER_DIMS, COVER_RATIOS)), "labeling"):
        P = round(N * ratio)
        found = sum(linearly_separable(rng.standard_normal((P, N)), rng.choice((-1.0, 1.0), P)) for _ in range(repeats))
        interval = stats.binomtest(found, repeats).proportion_ci(LEVEL, "wilson")
        rows.append((P, N, found / repeats, interval.low, interval.high, separable_probability(P, N)))
    return pd.DataFrame(rows, columns=["P", "N", "share", "low", "high", "expected"])


def draw_labelings(table: pd.DataFrame) -> Figure:
    """Share of separable labelings against P / N: simulation with its interval over Cover's curve for each N."""
    figure, axes = panels(1, 1, 2.4, 4.5)
    ax = axes[0, 0]
    sizes = sorted(int(N) for N in table["N"].unique())
    palette = size_colors("D", [2 * N for N in sizes])
    fine = np.linspace(0.8, 3.6, 400)
    for N in sizes:
        line = table[table["N"] == N]
        reach = [line["share"] - line["low"], line["high"] - line["share"]]
        ax.plot(fine, separable_probability(N * fine, N), color=THEORY, lw=0.8, zorder=1)
        ax.errorbar(line["P"] / N, line["share"], reach, fmt="o", ms=3, lw=0.8, color=palette[2 * N])
    ax.plot([0.8, 2, 2, 3.6], [1, 1, 0, 0], color="0.5", lw=0.8, ls="--", zorder=0)
    ax.plot(2, 0.5, "o", ms=11, mfc="none", mec="0.5", mew=0.8)
    ax.set(xlabel=r"$\alpha$ = P / N, points per dimension", ylabel="share of separable labelings", xlim=(0.8, 3.6))
    legend(figure, [
        *(line_mark(palette[2 * N], f"N = {N}, simulated", marker="o", ls="none") for N in sizes),
        interval_mark(f"{100 * LEVEL:.0f}% interval"),
        line_mark(THEORY, "Cover's C(P, N) / 2$^P$", lw=0.8),
        line_mark("0.5", "N $\\rightarrow \\infty$", lw=0.8, ls="--"),
        line_mark("0.5", "capacity 2", marker="o", mfc="none", ms=8, ls="none"),
    ])  # fmt: skip
    return figure


def _panel(ax: Axes, table: pd.DataFrame, along: str, other: str, quantity: Any) -> None:
    sizes = sorted(table[other].unique())
    palette = colormaps["viridis"](np.linspace(0, 0.95, len(sizes)))  # up to 10,000, beyond the scales of P and D
    fine = np.geomspace(table[along].min(), table[along].max(), 300)
    for size, color in zip(sizes, palette, strict=True):
        line = table[table[other] == size].sort_values(along)
        low, mean, high = (
            quantity(np.maximum(line["mean"] + k * line["std"], 1e-9), line["N"], line["D"]) for k in (-1, 0, 1)
        )
        ax.plot(line[along], mean, "o", ms=2, color=color, label=f"{size}")
        ax.fill_between(line[along], low, high, color=color, alpha=0.25, lw=0)
        N, D = (fine, size) if along == "N" else (size, fine)
        ax.plot(fine, quantity(expected_percent_error(N, D), N, D), color=THEORY, lw=0.5, zorder=0)
    ax.set(xscale="log", yscale="log", xlabel="D, dimensions" if along == "D" else "N, points")
    ax.legend(title=other, loc="center left", bbox_to_anchor=(1.0, 0.5), handletextpad=0, borderpad=0,
              labelspacing=0.25)  # fmt: skip
