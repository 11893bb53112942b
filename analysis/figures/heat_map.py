"""A number over P x D, a map for each K, the diagonal P = D outlined."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from analysis.cli.printed_width import inches
from analysis.figures.palette import MISSING
from analysis.figures.style import LEAST, SIZES, across, clear_beyond, diagonal_mark, legend, panels

CELL = 0.34  # inches, of a side that holds a number
SET_APART = "#E4E4E4"  # of values that do not count for the colors


def draw_heat_map(
    table: pd.DataFrame, value: str, label: str, digits: int, failed: str = "", absent: str = ""
) -> Figure:
    """Maps of column `value` of a table of P, D, K. What column `note` says stands in cells without a number; those
    without a row stay blank.

    Args: failed: what is said of numbers that column `failed` sets apart, which count for no color; absent: of blanks.
    """
    views, rows, columns = (sorted(int(size) for size in table[name].unique()) for name in "KPD")
    shown = across(len(views), (CELL * len(columns) + 0.2) * inches() / (inches() - 1.0))
    width = max((CELL * len(columns) + 0.2) * shown + 1.0, 2.6)
    stacked = -(-len(views) // shown)
    height = max(CELL * len(rows), 1.7 if stacked == 1 else 0.9) + 0.35
    figure, axes = panels(stacked, shown, height, max(width, inches() / 2), sharey=True,
                          sharex=True)  # fmt: skip
    figure.get_layout_engine().set(w_pad=0.08)  # type: ignore[call-arg, union-attr]
    clear_beyond(axes, len(views))
    apart = table["failed"] if "failed" in table else pd.Series(False, index=table.index)
    counted = table.loc[~apart, value].dropna()
    counted = table[value].dropna() if counted.empty else counted
    low, high = (float(counted.min()), float(counted.max())) if len(counted) else (0.0, 1.0)
    for i, (ax, K) in enumerate(zip(axes.flat, views, strict=False)):
        part = table[table["K"] == K]
        colored = part.assign(shade=part[value].where(~apart.reindex(part.index)))
        grid = colored.pivot_table(index="P", columns="D", values="shade").reindex(index=rows, columns=columns)
        image = ax.imshow(grid.to_numpy(float), cmap="viridis", vmin=low, vmax=high, aspect="auto", origin="lower")
        for cell in part.to_dict("records"):
            place = columns.index(cell["D"]), rows.index(cell["P"])
            _write(ax, place, cell, value, digits, (low + high) / 2, bool(apart.any() and cell["failed"]))
        for size in part.loc[part["P"] == part["D"], "P"]:
            corner = (columns.index(size) - 0.5, rows.index(size) - 0.5)
            ax.add_patch(Rectangle(corner, 1, 1, fill=False, ec="black", lw=1.4, clip_on=False, zorder=3))
        ax.set_xticks(range(len(columns)), [str(v) for v in columns])
        ax.set_yticks(range(len(rows)), [str(v) for v in rows])
        ax.tick_params(length=0, labelbottom=i + shown >= len(views))
        ax.spines[:].set_visible(False)
        ax.set_title(f"K = {K} views")
    figure.supxlabel(SIZES["D"])
    figure.supylabel(SIZES["P"])
    figure.colorbar(image, ax=axes.flat[: len(views)], label=label, aspect=30)
    handles: list[Artist] = [diagonal_mark()] if set(rows) & set(columns) else []
    if apart.any():
        handles.append(Patch(color=SET_APART, label=failed))
    if absent and len(table) < len(views) * len(rows) * len(columns):
        handles.append(Patch(fc="white", ec="0.8", label=absent))
    if handles:
        legend(figure, handles)
    return figure


def _write(
    ax: Axes, place: tuple[int, int], cell: dict[Any, Any], value: str, digits: int, middle: float, apart: bool
) -> None:
    number = cell[value]
    if not np.isfinite(number):
        text = str(cell.get("note", "")).replace(" ", "\n")
        ax.text(*place, text, ha="center", va="center", fontsize=LEAST, color=MISSING)
        return
    if apart:
        ax.add_patch(Rectangle((place[0] - 0.5, place[1] - 0.5), 1, 1, color=SET_APART, lw=0))
    color = "0.35" if apart else "white" if number < middle else "black"
    text = f"{number:.{digits}f}" if abs(number) < 100 else f"{number:.0f}"
    ax.text(*place, text, ha="center", va="center", fontsize=LEAST, color=color)
