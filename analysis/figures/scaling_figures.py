"""Percent error against compute drawn: a panel for each P x D, a curve for each K, with two laws: the paper's pure
power law, and the selected model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from analysis.cli.printed_width import narrow
from analysis.estimates.fit_data import AXES, Cell, Key
from analysis.estimates.per_cell_fit import PURE, Fits, Form, chosen_form
from analysis.estimates.uniform_baseline import Level
from analysis.figures.heat_map import draw_heat_map
from analysis.figures.palette import MISSING, THEORY, view_colors
from analysis.figures.style import (
    BASELINE,
    ERROR,
    LEAST,
    Panels,
    diagonal_mark,
    frame,
    legend,
    line_mark,
    panels,
    plain_ticks,
    save_one_of,
)
from analysis.results.display_names import variant_name
from analysis.results.errors import ResultsError
from analysis.sweep_analysis import SweepAnalysis
from sweeps.storage.run_status import RunStatus

Cells = dict[Key, Cell]
BEYOND = 3.0  # times the largest compute up to which laws are drawn
BLANK = "blank: not run"
FORMULAS = {
    (irreducible, offset): f"${level}A\\,{'x' if offset == 'none' else '(x + x_0)'}^{{-\\alpha}}$"
    for irreducible, level in (("none", ""), ("free", "E + "), ("theory", "e_\\infty + "))
    for offset in ("none", "free")
}


def scaling_figures(
    analysis: SweepAnalysis, folder: Path, axis: str = "flops", form: Form | None = None, law: str = "trajectory"
) -> list[Path]:
    """Draw and save, the map of exponents only where P or D varies; the PNGs' paths. `form`: irreducible error and
    offset of the laws that are drawn beside the pure ones (None: of each variant, what `choose` says). Raises
    ResultsError where there are no cells."""
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
        figures = {"scaling": scaling}
        if len({cell[1:3] for cell in mine}) > 1:  # the exponents of one P and D stand above its panel
            of_form = rows[(rows["irreducible"] == drawn[0]) & (rows["offset"] == drawn[1])]
            figures["exponents"] = draw_exponents(of_form, drawn)
        for name, figure in figures.items():
            paths.append(save_one_of(figure, folder, name, i, len(names), variant_name(variant)))
    return paths


def draw_scaling(cells: Cells, fits: Fits, runs: pd.DataFrame, axis: str, form: Form) -> Figure:
    """Rows P (the largest on top, as in maps of P x D), columns D, log-log; the panels with P = D framed; blank where
    nothing was run. Solid: the law of `form`, with its exponent above the panel; dotted: the pure power law."""
    rows, columns = sorted(runs["P"].unique(), reverse=True), sorted(runs["D"].unique())
    color = view_colors(sorted(int(K) for K in runs["K"].unique()))
    stacked = len(color) if narrow() or len(columns) > 5 else 1  # lines of exponents above a panel
    height = 0.62 + 0.13 * (stacked + 1)
    height, width = max(height, 1.8 / len(rows)), 1.9 * len(columns) + 1.4
    figure, axes = panels(len(rows), len(columns), height, width, sharex=True, sharey=True)
    drawn: list[NDArray[np.float64]] = []
    blank, failed, levels = False, False, []
    for row, P in zip(axes, rows, strict=True):
        for ax, D in zip(row, columns, strict=True):
            own = runs[(runs["P"] == P) & (runs["D"] == D)]
            if own.empty:
                ax.set_visible(False)
                blank = True
                continue
            mine = {key: points for key, points in cells.items() if key[1:3] == (P, D)}
            curves, notes = _panel(ax, mine, fits, color, form)
            drawn += curves
            failed |= any(text.endswith("?") for text, _ in notes)
            notes += _failures(own)
            _write_above(ax, notes, stacked > 1)
            level = float(next((cell.level for cell in mine.values()), Level())(P, D))
            ax.axhline(level, color=THEORY, lw=0.6, zorder=0)
            levels.append(level)
            if P == D:
                frame(ax)
    for ax, P in zip(axes[:, 0], rows, strict=True):
        _beside(ax, f"P = {P}")
    top = (LEAST + 2.5) * (stacked if stacked > 1 else 1) + 4
    for ax, D in zip(axes[0], columns, strict=True):
        ax.annotate(f"D = {D}", (0.5, 1), (0, top), xycoords="axes fraction", textcoords="offset points", ha="center",
                    va="bottom", fontsize=LEAST, weight="bold")  # fmt: skip
    _show_heads(axes)
    values = np.concatenate(drawn)
    values = values[np.isfinite(values) & (values > 0)]
    low = 0.88 * float(values.min())
    plain_ticks(axes.flat, "y", low, min(1.0, 1.12 * float(values.max())), small=True)
    if narrow():
        for ax in axes[-1]:
            ax.tick_params(axis="x", rotation=90)
    figure.supxlabel(AXES[axis])
    figure.supylabel(ERROR)
    legend(figure, _marks(color, form, blank, failed, bool(set(rows) & set(columns)), max(levels) > low))
    return figure


def _marks(
    color: dict[int, str], form: Form, blank: bool, failed: bool, diagonal: bool, baseline: bool
) -> list[Artist]:
    offset = ", $x_0$: offset of compute" if form[1] == "free" else ""
    handles: list[Artist] = [line_mark(c, f"K = {K}", marker="o") for K, c in color.items()]
    handles.append(line_mark("0.3", f"law {FORMULAS[form]}, its $\\alpha$ above{offset}", lw=1))
    if form != PURE:
        handles.append(line_mark("0.3", f"power law {FORMULAS[PURE]}", lw=0.9, ls=":"))
    handles.append(line_mark("0.3", "extrapolated", lw=1, ls="--"))
    handles.append(Patch(color="0.8", label="95% interval of the law"))
    if baseline:
        handles.append(line_mark(THEORY, BASELINE, lw=0.6))
    if failed:
        handles.append(line_mark("0.3", "the law failed a check", marker="$?$", ms=5, ls="none"))
    if diagonal:
        handles.append(diagonal_mark())
    if blank:
        handles.append(Patch(fc="white", ec="0.8", label=BLANK))
    return handles


def _panel(
    ax: Axes, cells: Cells, fits: Fits, color: dict[int, str], form: Form
) -> tuple[list[NDArray[np.float64]], list[tuple[str, str]]]:
    """Draw points and laws; the errors that are drawn, and what to write above the panel, with its colors."""
    ax.set(xscale="log", yscale="log")
    notes, drawn = [], []
    for key, points in sorted(cells.items(), key=lambda item: item[0][3]):
        mine = color[key[3]]
        ax.errorbar(
            points.x, points.error, yerr=points.error_se, fmt="o", ms=0.9 if narrow() else 1.6, lw=0.5, color=mine
        )
        low, high = points.x.min(), points.x.max()
        inside, beyond = np.geomspace(low, high, 60), np.geomspace(high, BEYOND * high, 20)
        fit, pure = fits.get((*key, *form)), fits.get((*key, *PURE))
        drawn.append(points.error)
        if pure is not None and form != PURE:
            ax.plot(inside, pure.predict(inside), color=mine, lw=0.9, ls=":")
            drawn.append(pure.predict(inside))
        if fit is None:
            notes.append(("–", mine))
            continue
        ax.plot(inside, fit.predict(inside), color=mine, lw=1)
        ax.fill_between(inside, *fit.band(inside), color=mine, alpha=0.2, lw=0)
        ax.plot(beyond, fit.predict(beyond), color=mine, lw=1, ls="--")
        drawn += [fit.predict(inside), fit.predict(beyond)]
        notes.append((f"{fit.alpha:.2f}{'' if fit.valid else '?'}", mine))
    return drawn, notes


def _failures(runs: pd.DataFrame) -> list[tuple[str, str]]:
    """What became of each K of which no run finished in this panel."""
    ended = {int(K): part["status"] for K, part in runs.groupby("K")}
    return [
        (f"K = {K} {status.iloc[0]}", MISSING)
        for K, status in ended.items()
        if not (status == RunStatus.FINISHED).any()
    ]


def _write_above(ax: Axes, notes: list[tuple[str, str]], stacked: bool) -> None:
    """Exponents over the panel, where no line crosses them: side by side, or one above the other."""
    for i, (text, color) in enumerate(notes):
        place = (0.5, 1.0) if stacked else ((i + 0.5) / len(notes), 1.0)
        up = 2 + (LEAST + 2.5) * (len(notes) - 1 - i) * stacked
        ax.annotate(text, place, (0, up), xycoords="axes fraction", textcoords="offset points", ha="center",
                    va="bottom", color=color, fontsize=LEAST)  # fmt: skip


def _beside(ax: Axes, text: str) -> None:
    ax.set_ylabel(text, fontsize=LEAST, weight="bold")


def _show_heads(axes: Panels) -> None:
    """Heads of rows and columns and labels of ticks whose own panel is blank: show its text without its axes."""
    for ax in axes.flat:
        if not ax.get_visible():
            ax.set_visible(True)
            ax.patch.set_visible(False)
            ax.spines[:].set_visible(False)
            ax.tick_params(length=0, which="both")


def draw_exponents(table: pd.DataFrame, form: Form = PURE) -> Figure:
    """Heat map of alpha over P x D for each K, the diagonal outlined; laws that failed a check count for no color."""
    marked = table.assign(note="no fit", failed=table["alpha"].notna() & ~table["trusted"])
    label = f"exponent $\\alpha$ of {FORMULAS[form]}"
    return draw_heat_map(marked, "alpha", label, 2, "the law failed a check, no color", BLANK)
