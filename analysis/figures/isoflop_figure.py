"""Error and gap against P at fixed compute: measured points over the joint scaling law, with its minimum."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.estimates.fit_data import Cell, Key
from analysis.estimates.joint_scaling_law import JointLaw
from analysis.figures.palette import COMPUTE
from analysis.figures.style import (
    SIZES,
    across,
    clear_beyond,
    legend,
    line_mark,
    panels,
    plain_ticks,
    power_of_ten,
    save_one_of,
    size_ticks,
)
from analysis.fitting.huber_regression import percentiles
from analysis.results.display_names import variant_name

ROWS = {"error": "percent error (fraction)", "gap": "gap above $e_\\infty$ (fraction)"}
BUDGETS = 3
LEAST_SIZES = 3  # values of P, for a curve over P to say something
FINE = 60  # values of P along a curve
WIDE = 0.7  # of the range of P: a minimum whose interval is wider is not known


def isoflop_figures(
    laws: dict[str, list[JointLaw]], cells: dict[Key, Cell], runs: pd.DataFrame, folder: Path, every_view: bool = False
) -> list[Path]:
    """Draw and save one figure for each variant that has a law and cells of several P, of its smallest K or of every
    one; the paths of the PNGs.

    Args: cells: measured over FLOPs; runs: the finished runs, for the FLOPs of a step.
    """
    paths = []
    for i, (variant, kinds) in enumerate(laws.items()):
        lines = Counter(key[2:] for key in cells if key[0] == variant)  # points P of each D and K
        mine = {key: cell for key, cell in cells.items() if key[0] == variant and lines[key[2:]] > 1}
        cost = runs[runs["variant"] == variant].groupby(["P", "D", "K"])["flops_per_step"].mean()
        if len({key[1] for key in mine}) < LEAST_SIZES:
            continue
        views = sorted({key[3] for key in mine})
        for K in views if every_view else views[:1]:
            own = {key: cell for key, cell in mine.items() if key[3] == K}
            name = "isoflop" if views[0] == K else f"isoflop_K{K}"
            paths.append(save_one_of(draw(kinds[0], own, cost), folder, name, i, len(laws), variant_name(variant)))
    return paths


def draw(law: JointLaw, cells: dict[Key, Cell], cost: pd.Series) -> Figure:
    """A panel for each D: error, and below it gap above e_inf, against P; a curve for each compute of one run, from a
    tenth of what every cell was trained for up to all of it. Points measured, interpolated along each run; curves
    predicted, with 95% bands; a star at the minimum of each curve, with its interval, hollow where it lies at an end
    of the P measured or is not known."""
    (K,), dims = {key[3] for key in cells}, sorted({key[2] for key in cells})
    last, first = min(cell.x.max() for cell in cells.values()), max(cell.x.min() for cell in cells.values())
    budgets = np.geomspace(max(last / 10, first), last, BUDGETS)
    shades = COMPUTE(np.linspace(0, 1, BUDGETS))
    points = sorted({key[1] for key in cells})
    columns = across(len(dims), 0.95, 5)
    per_kind = -(-len(dims) // columns)
    figure, axes = panels(2 * per_kind, columns, 1.45, sharex=True)
    for half, (kind, label) in zip(np.split(axes, 2), ROWS.items(), strict=True):
        used = list(half.flat)[: len(dims)]
        for ax, D in zip(used, dims, strict=True):
            mine = {key[1]: cell for key, cell in cells.items() if key[2] == D}
            for budget, shade in zip(budgets, shades, strict=True):
                _line(ax, law, mine, D, K, cost, float(budget), kind == "gap", shade)
            size_ticks(ax, points, upright=True)
            ax.set_yscale("log")
            ax.set_title(f"D = {D}", fontsize=7, pad=3)
        values = np.concatenate([line.get_ydata() for ax in used for line in ax.lines])
        plain_ticks(used, "y", 0.9 * float(np.nanmin(values)), 1.1 * float(np.nanmax(values)), small=True)
        for i, ax in enumerate(used):
            ax.tick_params(labelleft=i % columns == 0)
        half[0, 0].set_ylabel(label)
        clear_beyond(half, len(dims))
    figure.supxlabel(f"{SIZES['P']} (K = {K} views)")
    handles: list[Artist] = [line_mark(shade, f"{power_of_ten(budget)} FLOPs per run", marker="o")
               for budget, shade in zip(budgets, shades, strict=True)]  # fmt: skip
    star = {"marker": "*", "ms": 7, "lw": 0.9}
    handles.append(Patch(color="0.85", label="95% interval of the law"))
    handles.append(line_mark("0.3", "minimum, with 95% interval", **star))
    handles.append(line_mark("0.3", "minimum at the edge, or not known", **star | {"lw": 0}, mfc="white"))
    legend(figure, handles)
    return figure


def _line(
    ax: Axes, law: JointLaw, cells: dict[int, Cell], D: int, K: int, cost: pd.Series, budget: float, gap: bool,
    color: str,
) -> None:  # fmt: skip
    """One budget: measured points, the law's curve with its band, its least value."""
    P = np.array(sorted(cells))
    fine = np.geomspace(P[0], P[-1], FINE)
    flops = np.exp(np.interp(np.log(fine), np.log(P), np.log([cost[p, D, K] for p in P])))
    inputs = law.inputs(budget / flops, fine, D, K)
    base = law.level(fine, D) if gap else np.zeros(FINE)
    curve, draws = law.fit.predict(**inputs) - base, law.fit.curves(**inputs) - base
    ax.plot(fine, np.where(curve > 0, curve, np.nan), color=color, lw=1)
    low, high = percentiles(draws)
    ax.fill_between(fine, np.maximum(low, 1e-4), np.maximum(high, 1e-4), color=color, alpha=0.12, lw=0)
    measured = np.array([_at(cells[p], budget) for p in P]) - (law.level(P, D) if gap else 0.0)
    ax.plot(P, np.where(measured > 0, measured, np.nan), "o", ms=2.8, color=color)
    at = int(curve.argmin())
    if curve[at] <= 0:
        return
    left, right = percentiles(fine[draws.argmin(axis=1)])
    known = 0 < at < FINE - 1 and np.log(right / left) < WIDE * np.log(P[-1] / P[0])
    if known:
        reach = [[max(fine[at] - left, 0)], [max(right - fine[at], 0)]]
        ax.errorbar([fine[at]], [curve[at]], xerr=reach, color=color, lw=0.9, capsize=2, zorder=4)
    ax.plot(fine[at], curve[at], "*", ms=7, color=color, mfc=color if known else "white", mew=0.7, zorder=5)


def _at(cell: Cell, budget: float) -> float:
    """Percent error of a cell at some FLOPs, its runs' bins taken together, interpolated in logs."""
    order = np.argsort(cell.x)
    return float(np.exp(np.interp(np.log(budget), np.log(cell.x[order]), np.log(cell.error[order]))))
