"""Zero-shot accuracy, retrieval, percent error and modality gap against the batch size, a line for each objective."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.comparisons.multimodal import ERROR, GAP, ZERO_SHOT
from analysis.figures.style import THEORY, colors, save_one_of

PANELS = {
    ZERO_SHOT[0]: "zero-shot top-1",
    ZERO_SHOT[1]: "zero-shot top-5",
    "recall_1": "recall at 1",
    "recall_10": "recall at 10",
    ERROR: "held-out percent error",
    GAP: "modality gap",
}
MARKERS = "osD^vPX*<>"
WIDTH = 7.0  # inches, two columns of a paper
COLUMNS = 3  # of panels, where one D and K were swept; else each has a row
ROWS_A_PAGE = 4
WIDER = 0.4  # of the range of means, by which bands may widen an axis: those of two seeds would be all of it
Cell = tuple[int, int]
Kind = tuple[str, str]  # measure, subject


def multimodal_figures(table: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw and save `multimodal` (numbered where there are more D and K than a page holds); the PNGs.

    Args: table: of `multimodal.over_batches`.
    """
    cells = sorted(set(table[["D", "K"]].itertuples(index=False, name=None)))
    pages = [cells[first : first + ROWS_A_PAGE] for first in range(0, len(cells), ROWS_A_PAGE)]
    return [save_one_of(draw(table, page), folder, "multimodal", i, len(pages)) for i, page in enumerate(pages)]


def draw(table: pd.DataFrame, cells: list[Cell]) -> Figure:
    """Panels of PANELS that were measured: for one D and K in rows of COLUMNS, else a row for each. Bands: 95 % over
    seeds; a thin line: chance, where it is known and near. Recall is the mean of both directions."""
    kinds = [kind for name in PANELS for kind in _kinds(table, name)]
    columns = len(kinds) if len(cells) > 1 else min(COLUMNS, len(kinds))
    rows = len(cells) if len(cells) > 1 else -(-len(kinds) // columns)
    size = (WIDTH if columns > 1 else WIDTH / 2, (1.3 if len(cells) > 1 else 1.7) * rows + 0.7)
    figure, axes = plt.subplots(
        rows, columns, figsize=size, squeeze=False, sharey="col" if len(cells) > 1 else False, layout="constrained"
    )
    color, sizes = colors(sorted(table["variant"].unique())), sorted(int(P) for P in table["P"].unique())
    panels = [(cell, kind) for cell in cells for kind in kinds]
    for ax, (cell, kind) in zip(axes.flat, panels, strict=False):
        mine = _of(table, kind)
        _lines(ax, mine[(mine["D"] == cell[0]) & (mine["K"] == cell[1])], color)
        ax.set_ylim(_limits(mine))
        _batch_sizes(ax, sizes, narrow=columns > COLUMNS)
    for ax in axes.flat[len(panels) :]:
        ax.axis("off")
    for ax, kind in zip(axes.flat, kinds, strict=False):
        ax.set_title(_title(table, kind, narrow=columns > COLUMNS), fontsize=7, pad=3)
    if len(cells) > 1:
        for row, (D, K) in zip(axes, cells, strict=True):
            row[0].set_ylabel(f"D = {D}, K = {K}", fontsize=7)
        for ax in axes[:-1].flat:
            ax.tick_params(labelbottom=False)
    figure.supxlabel(
        "P, pairs per batch" + ("" if len(cells) > 1 else " (D = {}, K = {})".format(*cells[0])), fontsize=8
    )
    return _legend(figure, table, color)


def _kinds(table: pd.DataFrame, name: str) -> list[Kind]:
    return [(name, str(subject)) for subject in sorted(table.loc[table["measure"] == name, "subject"].unique())]


def _of(table: pd.DataFrame, kind: Kind) -> pd.DataFrame:
    return table[(table["measure"] == kind[0]) & (table["subject"] == kind[1])]


def _lines(ax: Axes, panel: pd.DataFrame, color: dict[object, str]) -> None:
    markers = dict(zip(color, (MARKERS[i % len(MARKERS)] for i in range(len(color))), strict=True))
    for variant, line in panel.sort_values("P").groupby("variant"):
        x = np.log2(line["P"].to_numpy(float))
        ax.plot(x, line["mean"], color=color[variant], marker=markers[variant], ms=3, lw=1)
        ax.fill_between(x, line["low"], line["high"], color=color[variant], alpha=0.15, lw=0)
    if _near_chance(panel):
        ax.axhline(panel["chance"].mean(), color=THEORY, lw=0.6, zorder=0)


def _near_chance(panel: pd.DataFrame) -> bool:
    """Whether chance is known and can be shown without taking more than half of the panel."""
    low, high, chance = float(panel["mean"].min()), float(panel["mean"].max()), float(panel["chance"].mean())
    return bool(low - chance <= high - low)  # of NaN: False


def _limits(panel: pd.DataFrame) -> tuple[float, float]:
    """Of all means, of bands within WIDER, and of chance if near; accuracies and errors end at 0 and 1, a gap at 0."""
    low, high = float(panel["mean"].min()), float(panel["mean"].max())
    room = max(WIDER * (high - low), 1e-3)
    below, above = (float(panel[end].fillna(panel["mean"]).agg(how)) for end, how in (("low", "min"), ("high", "max")))
    margin = 0.06 * (high - low) + 1e-3
    bottom, top = max(below, low - room) - margin, min(above, high + room) + margin
    if _near_chance(panel):
        bottom = min(bottom, float(panel["chance"].mean()) - margin)
    most = np.inf if panel["measure"].iloc[0] == GAP else 1.03
    return max(bottom, -0.03 * min(top, most)), min(top, most)


def _batch_sizes(ax: Axes, sizes: list[int], narrow: bool) -> None:
    """Ticks at the batch sizes, upright where they would touch."""
    crowded = narrow and len(sizes) > 3
    ax.set_xticks(np.log2(sizes), [str(P) for P in sizes], rotation=90 if crowded else 0)
    ax.set_xlim(np.log2(sizes[0]) - 0.3, np.log2(sizes[-1]) + 0.3)
    ax.tick_params(labelsize=6)


def _title(table: pd.DataFrame, kind: Kind, narrow: bool) -> str:
    several = len(_kinds(table, kind[0])) > 1
    title = PANELS[kind[0]].replace(" percent", "\npercent") if narrow else PANELS[kind[0]]
    return title + (f"\n{kind[1]}" if several else "")


def _legend(figure: Figure, table: pd.DataFrame, color: dict[object, str]) -> Figure:
    handles = [
        Line2D([], [], color=c, marker=MARKERS[i % len(MARKERS)], ms=3, lw=1, label=str(name))
        for i, (name, c) in enumerate(color.items())
    ]
    if any(_near_chance(_of(table, kind)) for name in PANELS for kind in _kinds(table, name)):
        handles.append(Line2D([], [], color=THEORY, lw=0.6, label="chance"))
    wide = max(len(str(name)) for name in color) > 24
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 3 if wide else 5))
    return figure
