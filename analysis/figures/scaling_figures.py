"""Percent error against compute drawn: a panel for each P x D, a curve for each K, with two laws: the paper's pure
power law, and the selected model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.estimates.fit_data import AXES, Cell, Key
from analysis.estimates.per_cell_fit import PURE, Fits, Form, chosen_form
from analysis.estimates.uniform_baseline import Level
from analysis.figures.heat_map import draw_heat_map
from analysis.figures.style import THEORY, colors, plain_ticks, save_one_of
from analysis.results.errors import ResultsError
from analysis.sweep_analysis import SweepAnalysis
from sweeps.storage.run_status import RunStatus

Cells = dict[Key, Cell]
FORMULAS = {
    (irreducible, offset): f"${level}A\\,{'x' if offset == 'none' else '(x + x_0)'}^{{-\\alpha}}$"
    for irreducible, level in (("none", ""), ("free", "E + "), ("theory", "e_\\infty + "))
    for offset in ("none", "free")
}


def scaling_figures(
    analysis: SweepAnalysis, folder: Path, axis: str = "flops", form: Form | None = None, law: str = "trajectory"
) -> list[Path]:
    """Draw and save; the PNGs' paths. `form`: irreducible error and offset of the laws that are drawn beside the pure
    ones (None: of each variant, what `choose` says). Raises ResultsError where there are no cells."""
    runs, cells = analysis.runs, analysis.cells_of(law, axis)
    if not cells:
        raise ResultsError(f"{analysis.results.root} holds no finished run with a trajectory")
    table, fits = analysis.fits_of(law, axis), analysis.cell_fits_of(law, axis, form)
    paths = []
    names = sorted({cell[0] for cell in cells})
    for i, variant in enumerate(names):
        mine = {cell: points for cell, points in cells.items() if cell[0] == variant}
        own = runs if law == "budget" else runs[runs["variant"] == variant]
        rows = table[table["variant"] == variant]
        drawn = form or chosen_form(rows)
        scaling = draw_scaling(mine, fits, own, axis, drawn)
        exponents = draw_exponents(rows[(rows["irreducible"] == drawn[0]) & (rows["offset"] == drawn[1])])
        for name, figure in (("scaling", scaling), ("exponents", exponents)):
            paths.append(save_one_of(figure, folder, name, i, len(names), variant))
    return paths


def draw_scaling(cells: Cells, fits: Fits, runs: pd.DataFrame, axis: str, form: Form) -> Figure:
    """Rows P, columns D, log-log; the panels with P = D framed; a cell with no result says what became of it. Solid:
    the law of `form`, with its exponent; dotted: the pure power law."""
    rows, columns = sorted(runs["P"].unique()), sorted(runs["D"].unique())
    color = colors(sorted(runs["K"].unique()))
    size = (1.28 * len(columns) + 0.8, 1.2 * len(rows) + 0.7)
    figure, axes = plt.subplots(
        len(rows), len(columns), figsize=size, squeeze=False, sharex=True, sharey=True, layout="constrained"
    )
    errors = np.concatenate([cell.error for cell in cells.values()])
    low, high = 0.85 * float(errors.min()), min(1.0, 1.25 * float(errors.max()))
    for i, P in enumerate(rows):
        for j, D in enumerate(columns):
            ax = axes[i, j]
            mine = {key: points for key, points in cells.items() if key[1:3] == (P, D)}
            notes = _panel(ax, mine, fits, color, form)
            notes += _failures(runs[(runs["P"] == P) & (runs["D"] == D)], sorted(runs["K"].unique()))
            ends = [points.error[points.x.argmax()] for points in mine.values()]
            _write(ax, notes, low=bool(ends) and max(ends) > np.sqrt(low * high))
            level = float(next((cell.level for cell in mine.values()), Level())(P, D))
            ax.axhline(level, color=THEORY, lw=0.5, zorder=0)
            ax.set_title(f"P = {P}, D = {D}", fontweight="bold" if P == D else "normal", fontsize=7, pad=3)
            if P == D:
                for spine in ax.spines.values():
                    spine.set(visible=True, linewidth=1.4)
    plain_ticks(axes.flat, "y", low, high)
    figure.supxlabel(AXES[axis], fontsize=8)
    figure.supylabel("pretraining percent error", fontsize=8)
    handles = [Line2D([], [], color=color[K], marker="o", ms=3, label=f"K = {K}") for K in color]
    handles.append(Line2D([], [], color="0.3", lw=1, label=FORMULAS[form]))
    if form != PURE:
        handles.append(Line2D([], [], color="0.3", lw=0.8, ls=":", label=FORMULAS[PURE]))
    handles.append(Line2D([], [], color="0.3", lw=1, ls="--", label="extrapolated"))
    handles.append(Line2D([], [], color=THEORY, lw=0.5, label="$e_\\infty$(P, D), uniform embeddings"))
    handles.append(Line2D([], [], color="0.3", marker="$?$", ms=4, ls="none", label="failed a check"))
    in_one_row = len(columns) > 4 and len(handles) < 8
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles) if in_one_row else 4)
    return figure


def _panel(ax: Axes, cells: Cells, fits: Fits, color: dict[object, str], form: Form) -> list[tuple[str, str]]:
    """Draw points and laws; what to write into the panel, with its colors."""
    ax.set(xscale="log", yscale="log")
    notes = []
    for key, points in sorted(cells.items(), key=lambda item: item[0][3]):
        mine = color[key[3]]
        ax.errorbar(points.x, points.error, yerr=points.error_se, fmt="o", ms=1.8, lw=0.5, color=mine)
        low, high = points.x.min(), points.x.max()
        inside, beyond = np.geomspace(low, high, 60), np.geomspace(high, 3 * high, 20)
        fit, pure = fits.get((*key, *form)), fits.get((*key, *PURE))
        if pure is not None and form != PURE:
            ax.plot(inside, pure.predict(inside), color=mine, lw=0.8, ls=":")
        if fit is None:
            notes.append(("below $e_\\infty$" if form[0] == "theory" else "too few points", mine))
            continue
        ax.plot(inside, fit.predict(inside), color=mine, lw=1)
        ax.fill_between(inside, *fit.band(inside), color=mine, alpha=0.2, lw=0)
        ax.plot(beyond, fit.predict(beyond), color=mine, lw=1, ls="--")
        notes.append((f"$\\alpha$ = {fit.alpha:.2f}{'' if fit.valid else ' ?'}", mine))
    return notes


def _failures(runs: pd.DataFrame, views: list[int]) -> list[tuple[str, str]]:
    """What became of each K that has no finished run in this panel."""
    notes = []
    for K in views:
        status = runs.loc[runs["K"] == K, "status"]
        if not (status == RunStatus.FINISHED).any():
            notes.append((f"K = {K}: {status.iloc[0] if len(status) else 'not run'}", "#B00020"))
    return notes


def _write(ax: Axes, notes: list[tuple[str, str]], low: bool) -> None:
    """Notes in the corner that falling curves leave free: upper right, or lower left where they stay high."""
    for i, (text, color) in enumerate(notes):
        at = (0.04, 0.05 + 0.12 * (len(notes) - 1 - i)) if low else (0.97, 0.95 - 0.12 * i)
        ax.annotate(text, at, xycoords="axes fraction", ha="left" if low else "right", va="bottom" if low else "top",
                    color=color, fontsize=6, bbox={"fc": "white", "ec": "none", "pad": 0.3, "alpha": 0.8})  # fmt: skip


def draw_exponents(table: pd.DataFrame) -> Figure:
    """Heat map of alpha over P x D for each K, the diagonal outlined; `?` marks a law that failed a check."""
    marked = table.assign(note=np.where(table["alpha"].isna(), "no fit", np.where(table["trusted"], "", "?")))
    return draw_heat_map(marked, "alpha", "exponent $\\alpha$ (?: failed a check)")
