"""A number over P x D, a map for each K, the diagonal P = D outlined."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

DIAGONAL = "#D55E00"


def draw_heat_map(table: pd.DataFrame, value: str, label: str, digits: int = 2) -> Figure:
    """Maps of column `value` of a table of P, D, K; column `note`, where there is one, is set behind the number,
    or in its place where the cell has none."""
    views = sorted(table["K"].unique())
    rows, columns = sorted(table["P"].unique()), sorted(table["D"].unique())
    figure, axes = plt.subplots(
        1,
        len(views),
        figsize=(1.1 + max(0.4 * len(columns) + 0.3, 1.3) * len(views), 0.4 * len(rows) + 0.9),
        squeeze=False,
        sharey=True,
        layout="constrained",
    )
    spread = table[value].dropna()
    low, high = (spread.min(), spread.max()) if len(spread) else (0.0, 1.0)
    for ax, K in zip(axes[0], views, strict=True):
        part = table[table["K"] == K]
        grid = part.pivot_table(index="P", columns="D", values=value).reindex(index=rows, columns=columns)
        image = ax.imshow(grid.to_numpy(float), cmap="viridis", vmin=low, vmax=high, aspect="auto", origin="lower")
        for cell in part.to_dict("records"):
            i, j = rows.index(cell["P"]), columns.index(cell["D"])
            number, note = cell[value], cell.get("note", "")
            known = bool(np.isfinite(number))
            text = f"{number:.{digits}f}{note}" if known else str(note).replace(" ", "\n")
            color = "#B00020" if not known else "white" if number < (low + high) / 2 else "black"
            ax.text(j, i, text, ha="center", va="center", fontsize=5.5, color=color)
        for size in set(rows) & set(columns):
            corner = (columns.index(size) - 0.5, rows.index(size) - 0.5)
            ax.add_patch(Rectangle(corner, 1, 1, fill=False, ec=DIAGONAL, lw=1.6, clip_on=False))
        ax.set_xticks(range(len(columns)), [str(v) for v in columns])
        ax.set_yticks(range(len(rows)), [str(v) for v in rows])
        ax.set(xlabel="D, dimensions", title=f"K = {K} views")
    axes[0, 0].set_ylabel("P, images")
    figure.colorbar(image, ax=axes, label=label)
    return figure
