"""Error and gap against P at fixed compute: measured points over the joint scaling law, with its minimum."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.estimates.fit_data import Cell, Key
from analysis.estimates.joint_scaling_law import JointLaw
from analysis.figures.style import colors, plain_ticks, save_one_of
from analysis.fitting.huber_regression import percentiles

ROWS = {"error": "percent error", "gap": "gap above $e_\\infty$"}
BUDGETS = 3
FINE = 60  # values of P along a curve


def isoflop_figures(
    laws: dict[str, list[JointLaw]], cells: dict[Key, Cell], runs: pd.DataFrame, folder: Path
) -> list[Path]:
    """Draw and save one figure for each variant that has a law and cells of several P; the paths of the PNGs.

    Args: cells: measured over FLOPs; runs: the finished runs, for the FLOPs of a step.
    """
    paths = []
    for i, (variant, kinds) in enumerate(laws.items()):
        lines = Counter(key[2:] for key in cells if key[0] == variant)  # points P of each D and K
        mine = {key: cell for key, cell in cells.items() if key[0] == variant and lines[key[2:]] > 1}
        cost = runs[runs["variant"] == variant].groupby(["P", "D", "K"])["flops_per_step"].mean()
        if len({key[1] for key in mine}) < 3:
            continue
        paths.append(save_one_of(draw(kinds[0], mine, cost), folder, "isoflop", i, len(laws), variant))
    return paths


def draw(law: JointLaw, cells: dict[Key, Cell], cost: pd.Series) -> Figure:
    """Rows: error and gap above e_inf for each K; columns: compute of one run, from a tenth of what every cell was
    trained for up to all of it. A color for each D; points measured, interpolated along each run; curves predicted,
    with 95 % bands; a star at the minimum of each curve, with its interval, hollow where it is at an end of the P
    measured."""
    views, dims = sorted({key[3] for key in cells}), sorted({key[2] for key in cells})
    last, first = min(cell.x.max() for cell in cells.values()), max(cell.x.min() for cell in cells.values())
    budgets = np.geomspace(max(last / 10, first), last, BUDGETS)
    color = colors(dims)
    rows = [(K, kind) for K in views for kind in ROWS]
    size = (2.2 * BUDGETS + 0.4, 1.55 * len(rows) + 0.8)
    figure, axes = plt.subplots(len(rows), BUDGETS, figsize=size, squeeze=False, sharex=True, sharey="row",
                                layout="constrained")  # fmt: skip
    for row, (K, kind) in zip(axes, rows, strict=True):
        for ax, budget in zip(row, budgets, strict=True):
            for D in dims:
                mine = {key[1]: cell for key, cell in cells.items() if key[2:] == (D, K)}
                if len(mine) > 1:
                    _line(ax, law, mine, D, K, cost, float(budget), kind == "gap", color[D])
            ax.set_xscale("log", base=2)
        drawn = np.concatenate([line.get_ydata() for ax in row for line in ax.lines])
        row[0].set_yscale("log")
        plain_ticks(row, "y", 0.9 * float(np.nanmin(drawn)), 1.1 * float(np.nanmax(drawn)))
        row[0].set_ylabel(f"{ROWS[kind]}\nK = {K}")
    for ax, budget in zip(axes[0], budgets, strict=True):
        ax.set_title(f"{budget:.2g} FLOPs per run")
    points = sorted({key[1] for key in cells})
    for ax in axes[-1]:
        ax.set_xticks(points, [str(P) for P in points])
        ax.minorticks_off()
    figure.supxlabel("P, images per batch", fontsize=8)
    handles = [Line2D([], [], color=c, marker="o", ms=3, label=f"D = {D}") for D, c in color.items()]
    handles.append(Line2D([], [], color="0.3", marker="*", ms=7, ls="none", label="least, with 95 % interval"))
    handles.append(
        Line2D([], [], color="0.3", marker="*", mfc="white", ms=7, ls="none", label="at the edge of the grid")
    )
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 4))
    return figure


def _line(
    ax: Axes, law: JointLaw, cells: dict[int, Cell], D: int, K: int, cost: pd.Series, budget: float, gap: bool,
    color: str,
) -> None:  # fmt: skip
    """One D at one budget: measured points, the law's curve with its band, its least value."""
    P = np.array(sorted(cells))
    fine = np.geomspace(P[0], P[-1], FINE)
    flops = np.exp(np.interp(np.log(fine), np.log(P), np.log([cost[p, D, K] for p in P])))
    inputs = law.inputs(budget / flops, fine, D, K)
    base = law.level(fine, D) if gap else np.zeros(FINE)
    curve, draws = law.fit.predict(**inputs) - base, law.fit.curves(**inputs) - base
    ax.plot(fine, np.where(curve > 0, curve, np.nan), color=color, lw=1)
    low, high = percentiles(draws)
    ax.fill_between(fine, np.maximum(low, 1e-4), np.maximum(high, 1e-4), color=color, alpha=0.15, lw=0)
    measured = np.array([_at(cells[p], budget) for p in P]) - (law.level(P, D) if gap else 0.0)
    ax.plot(P, np.where(measured > 0, measured, np.nan), "o", ms=3, color=color)
    at = int(curve.argmin())
    left, right = percentiles(fine[draws.argmin(axis=1)])
    inside = 0 < at < FINE - 1
    if curve[at] > 0:
        ax.plot([left, right], [curve[at]] * 2, color=color, lw=2, alpha=0.5, solid_capstyle="butt")
        ax.plot(fine[at], curve[at], "*", ms=8, color=color, mfc=color if inside else "white", zorder=4)


def _at(cell: Cell, budget: float) -> float:
    """Percent error of a cell at some FLOPs, its runs' bins taken together, interpolated in logs."""
    order = np.argsort(cell.x)
    return float(np.exp(np.interp(np.log(budget), np.log(cell.x[order]), np.log(cell.error[order]))))
