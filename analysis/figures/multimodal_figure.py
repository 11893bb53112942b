"""Zero-shot accuracy, retrieval, percent error and modality gap against the batch size, and less those of CLIP."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.comparisons.multimodal import ERROR, GAP, ZERO_SHOT, over_batches, paired_differences
from analysis.figures.palette import THEORY, variant_colors
from analysis.figures.style import LEAST, across, clear_beyond, interval_mark, legend, line_mark, panels, save_one_of
from analysis.results.display_names import measure_name, variant_name

PANELS = (*ZERO_SHOT, "recall_1", "recall_10", ERROR, GAP)
MARKERS = "osD^vPX*<>"
COLUMNS = 3
APART = 0.09  # of an octave, between objectives at one batch size
WIDER = 2.0  # of the range of means, by which intervals may widen an axis: those of two seeds would be all of it
Cell = tuple[int, int]
Kind = tuple[str, str]  # measure, subject


def multimodal_figures(table: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw and save `multimodal`, for each D and K (numbered where there are several); the PNGs.

    Args: table: of `multimodal.measurements`, of one budget.
    """
    found, apart = over_batches(table), paired_differences(table)
    cells = sorted(set(found[["D", "K"]].itertuples(index=False, name=None)))
    color = variant_colors(sorted(found["variant"].unique()))
    return [
        save_one_of(
            draw(_of_cell(found, cell), _of_cell(apart, cell), cell, color), folder, "multimodal", i, len(cells)
        )
        for i, cell in enumerate(cells)
    ]


def draw(found: pd.DataFrame, apart: pd.DataFrame, cell: Cell, color: dict[str, str]) -> Figure:
    """For each of PANELS that was measured the mean of each objective with its 95% interval over seeds, and chance
    where there is one; below it, where CLIP was run, paired differences to CLIP."""
    kinds = [kind for name in PANELS for kind in _kinds(found, name)]
    columns = across(len(kinds), 1.55, COLUMNS)
    blocks = -(-len(kinds) // columns)
    each = 1 if apart.empty else 2
    figure, axes = panels(each * blocks, columns, 1.5 if each == 1 else 1.25, sharex=True,
                          height_ratios=[1.5, 1][:each] * blocks)  # fmt: skip
    sizes = sorted(int(P) for P in found["P"].unique())
    for i, kind in enumerate(kinds):
        top = axes[each * (i // columns), i % columns]
        mine = _of(found, kind)
        _points(top, mine, color)
        chance = float(mine["chance"].mean())
        if np.isfinite(chance):
            top.axhline(chance, color=THEORY, lw=0.8, ls=":", zorder=0)
        _limits(top, mine, () if np.isnan(chance) else (chance,))
        top.set_title(_title(found, kind), fontsize=LEAST)
        if each == 2:
            below = axes[each * (i // columns) + 1, i % columns]
            _points(below, _of(apart, kind), color)
            below.axhline(0, color=color[str(apart["less"].iloc[0])], lw=0.8, zorder=0)
            _limits(below, _of(apart, kind), (0.0,))
            if i % columns == 0:
                below.set_ylabel(f"minus {variant_name(str(apart['less'].iloc[0]))}")
    for block in range(blocks):
        clear_beyond(axes[each * block : each * (block + 1)].T, each * max(0, len(kinds) - block * columns))
    for ax in figure.axes:
        ax.set_xticks(np.log2(sizes), [str(P) for P in sizes])
        ax.set_xlim(np.log2(sizes[0]) - 0.4, np.log2(sizes[-1]) + 0.4)
        ax.tick_params(labelbottom=True)
    figure.supxlabel("P, pairs per batch (D = {}, K = {})".format(*cell))
    figure.supylabel("fraction")
    named = zip(color.items(), MARKERS * len(color), strict=False)
    handles: list[Artist] = [line_mark(c, variant_name(name), marker=mark, lw=0.6) for (name, c), mark in named]
    handles.append(interval_mark("95% interval over seeds, cut at the panel"))
    if found["chance"].notna().any():
        handles.append(line_mark(THEORY, "chance", lw=0.8, ls=":"))
    if each == 2:
        handles.append(line_mark("0.3", "lower panels: differences of runs with the same seed", ls="none"))
    legend(figure, handles)
    return figure


def _of_cell(table: pd.DataFrame, cell: Cell) -> pd.DataFrame:
    return table[(table["D"] == cell[0]) & (table["K"] == cell[1])]


def _kinds(table: pd.DataFrame, name: str) -> list[Kind]:
    return [(name, str(subject)) for subject in sorted(table.loc[table["measure"] == name, "subject"].unique())]


def _of(table: pd.DataFrame, kind: Kind) -> pd.DataFrame:
    return table[(table["measure"] == kind[0]) & (table["subject"] == kind[1])]


def _points(ax: Axes, panel: pd.DataFrame, color: dict[str, str]) -> None:
    """Means with intervals, objectives side by side at each batch size; caps show intervals no longer than a marker."""
    for i, (variant, mark) in enumerate(zip(color, MARKERS * len(color), strict=False)):
        line = panel[panel["variant"] == variant].sort_values("P")
        x = np.log2(line["P"].to_numpy(float)) + APART * (i - (len(color) - 1) / 2)
        bars = line[["low", "high"]].sub(line["mean"], axis=0).abs().to_numpy().T  # NaN of one seed
        ax.errorbar(x, line["mean"], yerr=bars, color=color[variant], marker=mark, ms=2.6, lw=0.6, elinewidth=0.9,
                    capsize=1.6)  # fmt: skip


def _limits(ax: Axes, panel: pd.DataFrame, within: tuple[float, ...]) -> None:
    """Of all means and of `within`, and of intervals as far as WIDER."""
    low, high = min(float(panel["mean"].min()), *within, np.inf), max(float(panel["mean"].max()), *within, -np.inf)
    room = max(WIDER * (high - low), 1e-3)
    below, above = (float(panel[end].fillna(panel["mean"]).agg(how)) for end, how in (("low", "min"), ("high", "max")))
    margin = 0.06 * (high - low) + 1e-3
    ax.set_ylim(min(low, max(below, low - room)) - margin, max(high, min(above, high + room)) + margin)


def _title(table: pd.DataFrame, kind: Kind) -> str:
    unit = " (distance)" if kind[0] == GAP else ""
    return measure_name(kind[0], kind[1] if len(_kinds(table, kind[0])) > 1 else "") + unit
