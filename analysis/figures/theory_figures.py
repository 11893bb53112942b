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
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import stats

from analysis.cli.progress import track
from analysis.figures.style import THEORY, colors
from mmcr_core.theory import (
    expected_percent_error,
    linearly_separable,
    nuclear_norm_bound,
    separable_probability,
    simulate_uniform,
)

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
    figure, axes = plt.subplots(1, 3, figsize=(7.4, 3.0), layout="constrained")
    axes[2].sharey(axes[1])
    _panel(axes[0], table, "D", "N", lambda error, N, D: (1 - error) * nuclear_norm_bound(N, D))
    _panel(axes[1], table, "D", "N", lambda error, N, D: error)
    _panel(axes[2], table, "N", "D", lambda error, N, D: error)
    fine = np.geomspace(table["D"].min(), table["D"].max(), 300)
    for N in table["N"].unique():
        axes[0].plot(fine, nuclear_norm_bound(N, fine), color=BOUND, lw=0.6, ls="--", zorder=0)
    axes[0].set_ylabel("nuclear norm")
    axes[1].set_ylabel("percent error")
    peak = 1 - 8 / (3 * np.pi)
    for ax in axes[1:]:
        ax.axhline(peak, color=BOUND, lw=0.6, ls=":")
    axes[1].annotate("$1 - 8/(3\\pi)$", (table["D"].max(), peak), (0, 2), textcoords="offset points",
                     ha="right", fontsize=6, color=BOUND)  # fmt: skip
    styles: dict[str, dict[str, Any]] = {
        "simulation, mean and s.d.": {"marker": "o", "ms": 3, "ls": "none", "color": "0.4"},
        "Marchenko-Pastur limit": {"color": THEORY, "lw": 0.8},
        "bound $\\sqrt{N \\min(N, D)}$": {"color": BOUND, "lw": 0.8, "ls": "--"},
    }
    handles = [Line2D([], [], label=label, **style) for label, style in styles.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
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
    figure, ax = plt.subplots(figsize=(3.6, 2.7), layout="constrained")
    sizes = sorted(table["N"].unique())
    palette = colors(sizes)
    fine = np.linspace(0.8, 3.6, 400)
    for N in sizes:
        line = table[table["N"] == N]
        reach = [line["share"] - line["low"], line["high"] - line["share"]]
        ax.plot(fine, separable_probability(N * fine, N), color=THEORY, lw=0.8, zorder=1)
        ax.errorbar(line["P"] / N, line["share"], reach, fmt="o", ms=3, lw=0.8, color=palette[N], label=f"N = {N}")
    limit: dict[str, Any] = {"color": "0.5", "fontsize": 7, "textcoords": "offset points"}
    ax.plot([0.8, 2, 2, 3.6], [1, 1, 0, 0], color="0.5", lw=0.8, ls="--", zorder=0)
    ax.annotate("N $\\rightarrow \\infty$", (2, 0.12), (-4, 0), ha="right", **limit)
    ax.plot(2, 0.5, "o", ms=11, mfc="none", mec="0.5", mew=0.8)
    ax.annotate("capacity 2", (2, 0.5), (9, 3), **limit)
    ax.set(xlabel=r"$\alpha$ = P / N, points a dimension", ylabel="share of separable labelings", xlim=(0.8, 3.6))
    handles, labels = ax.get_legend_handles_labels()
    handles.append(Line2D([], [], color=THEORY, lw=0.8))
    ax.legend(
        handles,
        [*labels, "Cover's C(P, N) / 2$^P$"],
        loc="upper right",
        title=f"simulation, {100 * LEVEL:.0f} % interval",
        title_fontsize=7,
    )
    return figure


def _panel(ax: Axes, table: pd.DataFrame, along: str, other: str, quantity: Any) -> None:
    sizes = sorted(table[other].unique())
    palette = plt.get_cmap("viridis")(np.linspace(0, 0.95, len(sizes)))
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
    ax.set(xscale="log", yscale="log", xlabel=f"{along}, {'dimensions' if along == 'D' else 'points'}")
    ax.legend(title=other, fontsize=5, title_fontsize=6, loc="center left", bbox_to_anchor=(1.0, 0.5),
              handletextpad=0, borderpad=0)  # fmt: skip
