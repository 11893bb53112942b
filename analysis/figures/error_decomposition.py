"""Why an error is as high as it is: imperfect reconstruction, or embeddings that are not uniform.

e = 1 - r u exactly (r: reconstruction, u: uniformity), so that -log(1 - e) = -log r - log u is a sum. Of -log u,
uniform embeddings have -log(1 - e_inf) too: that part belongs to P and D, not to the network.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.estimates.uniform_baseline import level_of
from analysis.figures.style import BASELINE, LEAST, SIZES, across, clear_beyond, legend, line_mark, panels

PARTS = {
    "reference": BASELINE,
    "reconstruction": "imperfect reconstruction",
    "uniformity": "less uniform than the baseline",
}
VISIBLE = 0.01  # of the axis' height: parts that are seen
COLORS = {"reference": "#C4C4C4", "reconstruction": "#3B75AF", "uniformity": "#EF9B3A"}


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
    """A panel for each K and D that was run: stacked bars against P, whose filled part ends at the percent error; what
    embeddings that are more uniform than the baseline take away is hatched above it. Bars stand against D where P has
    one value, and against K where D has one too."""
    along = next((name for name in "PDK" if table[name].nunique() > 1), "P")
    fixed = [name for name in "KPD" if name != along]
    places = sorted(set(table[fixed].itertuples(index=False, name=None)))
    points = sorted(table[along].unique())
    columns = across(min(len(places), table[fixed[-1]].nunique()), 0.17 * len(points) + 0.4)
    rows = -(-len(places) // columns)
    figure, axes = panels(rows, columns, 1.45, max(1.5 * columns + 0.6, 2.6), sharex=True, sharey=True)
    clear_beyond(axes, len(places))
    several = "K" in fixed and table["K"].nunique() > 1
    for ax, place in zip(axes.flat, places, strict=False):
        _bars(ax, table[(table[fixed] == list(place)).all(axis=1)].set_index(along).reindex(points))
        ax.set_xticks(range(len(points)), [str(size) for size in points], rotation=90)
        sizes = dict(zip(fixed, place, strict=True))
        named = (f"{name} = {sizes[name]}" for name in "PDK" if name in sizes and (name != "K" or several))
        ax.set_title(", ".join(named), fontsize=LEAST, pad=3)
    for ax in axes.flat[max(0, len(places) - columns) : len(places)]:
        ax.tick_params(labelbottom=True)
    above = table["percent_error"] + np.maximum(-table["uniformity"], 0)
    axes[0, 0].set_ylim(0, 1.06 * above.max())
    figure.supxlabel(SIZES[along] + ("" if several or along == "K" else f" (K = {places[0][0]} views)"))
    figure.supylabel("percent error (fraction)")
    handles: list[Artist] = [Patch(color=COLORS[part], label=label) for part, label in PARTS.items()]
    if -table["uniformity"].min() > VISIBLE * above.max():
        handles.append(Patch(fc="white", ec=COLORS["uniformity"], hatch="/////",
                             label="taken away: more uniform than the baseline"))  # fmt: skip
    handles.append(line_mark("black", "percent error", marker="_", ms=8, mew=1.4, ls="none"))
    legend(figure, handles)
    return figure


def _bars(ax: Axes, column: pd.DataFrame) -> None:
    """Parts from the bottom up, each no further than the percent error; beyond it, what is taken away."""
    x, error = range(len(column)), column["percent_error"].fillna(0).to_numpy()
    bottom = np.zeros(len(column))
    for part, color in COLORS.items():
        top = np.minimum(bottom + np.maximum(column[part].fillna(0).to_numpy(), 0), error)
        ax.bar(x, top - bottom, bottom=bottom, color=color, width=0.8)
        bottom = top
    away = np.maximum(-column["uniformity"].fillna(0).to_numpy(), 0)
    ax.bar(x, away, bottom=error, fc="white", ec=COLORS["uniformity"], hatch="/////", width=0.8, lw=0.6)
    ax.plot(x, column["percent_error"], "k_", ms=7, mew=1.4)
