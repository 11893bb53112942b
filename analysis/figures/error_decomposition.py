"""Why an error is as high as it is: imperfect reconstruction, or embeddings that are not uniform.

e = 1 - r u exactly (r: reconstruction, u: uniformity), so that -log(1 - e) = -log r - log u is a sum. Of -log u,
uniform embeddings have -log(1 - e_inf) too: that part belongs to P and D, not to the network.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.estimates.uniform_baseline import level_of

PARTS = {
    "reference": "$e_\\infty$(P, D), uniform embeddings",
    "reconstruction": "imperfect reconstruction",
    "uniformity": "uniformity beyond $e_\\infty$",
}
COLORS = {"reference": "#BBBBBB", "reconstruction": "#0072B2", "uniformity": "#E69F00"}


def gap_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds of the percent error of each cell, split into three parts that add up to it.

    Args: runs: with variant, P, D, K, percent_error, reconstruction, uniformity, and what `level_of` reads.
    Returns: variant, P, D, K, percent_error, reference, reconstruction, uniformity. A part is its share of
        -log(1 - e); uniformity is negative where embeddings are more even than independent uniform ones.
    """
    columns = ["percent_error", "reconstruction", "uniformity"]
    cells = runs.groupby(["variant", "K", "P", "D"])
    levels = {key: float(level_of(group)(key[2], key[3])) for key, group in cells}
    table = cells[columns].mean().assign(reference=pd.Series(levels)).dropna().reset_index()
    r, u = -np.log(table["reconstruction"]), -np.log(table["uniformity"])
    reference = -np.log1p(-table["reference"])
    share = table["percent_error"] / np.maximum(r + u, 1e-12)
    return table.assign(reference=reference * share, reconstruction=r * share, uniformity=(u - reference) * share)


def draw_gap(table: pd.DataFrame) -> Figure:
    """Rows K, columns D: stacked bars against P; what lies below zero is subtracted from what lies above."""
    views, dims = sorted(table["K"].unique()), sorted(table["D"].unique())
    size = (1.35 * len(dims) + 0.9, 1.5 * len(views) + 0.8)
    figure, axes = plt.subplots(
        len(views), len(dims), figsize=size, squeeze=False, sharex=True, sharey=True, layout="constrained"
    )
    points = sorted(table["P"].unique())
    for row, K in zip(axes, views, strict=True):
        for ax, D in zip(row, dims, strict=True):
            _bars(ax, table[(table["K"] == K) & (table["D"] == D)].set_index("P").reindex(points))
            ax.set_xticks(range(len(points)), [str(P) for P in points], rotation=90 if len(points) > 4 else 0)
            ax.set_title(f"D = {D}, K = {K}", fontsize=7, pad=3)
    figure.supxlabel("P, images per batch", fontsize=8)
    figure.supylabel("percent error, split", fontsize=8)
    handles: list[Artist] = [Patch(color=COLORS[part], label=label) for part, label in PARTS.items()]
    handles.append(Line2D([], [], color="black", marker="_", ms=8, ls="none", label="percent error"))
    figure.legend(handles=handles, loc="outside upper center", ncols=2 if len(dims) < 4 else 4)
    return figure


def _bars(ax: Axes, column: pd.DataFrame) -> None:
    above, below = np.zeros(len(column)), np.zeros(len(column))
    for part, color in COLORS.items():
        height = column[part].fillna(0).to_numpy()
        ax.bar(range(len(column)), height, bottom=np.where(height >= 0, above, below), color=color, width=0.8)
        above, below = above + np.maximum(height, 0), below + np.minimum(height, 0)
    ax.axhline(0, color="black", lw=0.5)
    ax.plot(range(len(column)), column["percent_error"], "k_", ms=8, mew=1)
