"""The compute frontier of a recommendation drawn: which cell has the least error at each compute."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.estimates.fit_data import CELL
from analysis.estimates.prediction import Predictor
from analysis.estimates.recommendation import Budget, recommend
from analysis.figures.palette import OTHERS
from analysis.figures.style import legend, line_mark, panels, plain_ticks, power_of_ten
from analysis.results.display_names import variant_name

SHOWN_LINES = 4  # of the figure


def draw(
    cells: pd.DataFrame, predictors: Mapping[str, Predictor], budget: Budget, table: pd.DataFrame, rank: str
) -> Figure:
    """The compute frontier: the least error (or gap) of any cell at each compute with its interval, and the cells
    that lead somewhere or are best at the budget, with what was measured along their runs."""
    value = "gap" if rank == "gap" else "error"
    scale = 1.0 if budget.unit == "flops" else 3600.0
    trained = cells["flops"] if budget.unit == "flops" else cells["wall_seconds"]
    amounts = np.geomspace(min(trained.min() / 30, budget.amount / 2), 2 * max(trained.max(), budget.amount), 80)
    at = [recommend(cells, predictors, Budget(budget.unit, amount), value) for amount in amounts]
    lead = pd.DataFrame([part.iloc[0] for part in at])
    names = ("gap_low", "gap_high") if value == "gap" else ("low", "high")
    figure, axes = panels(1, 1, 2.8, 5.0)
    ax = axes[0, 0]
    ax.fill_between(amounts / scale, np.maximum(lead[names[0]], 1e-4), lead[names[1]], color="0.88", lw=0)
    ax.plot(amounts / scale, lead[value], color="0.6", lw=4)
    leaders = lead.groupby(CELL, sort=False).size().nlargest(SHOWN_LINES // 2).index.tolist()
    best = [key for key in table[CELL].itertuples(index=False, name=None) if key not in leaders]
    handles: list[Artist] = [
        line_mark("0.6", "best of all cells", lw=4),
        Patch(color="0.88", label="its 95% interval"),
    ]
    for color, key in zip(OTHERS, leaders + best[: SHOWN_LINES - len(leaders)], strict=False):
        line = pd.concat([part[(part[CELL] == list(key)).all(axis=1)] for part in at])[value].to_numpy()
        own = (cells[CELL] == list(key)).all(axis=1)
        until = amounts <= trained[own].iloc[0]
        label = f"P = {key[1]}, D = {key[2]}, K = {key[3]}" + (
            f", {variant_name(key[0])}" if len(predictors) > 1 else ""
        )
        ax.plot(amounts[until] / scale, line[until], color=color, lw=1.2)
        handles.append(line_mark(color, label))
        ax.plot(amounts[~until] / scale, line[~until], color=color, lw=1.2, ls="--")
        steps, error = predictors[key[0]].measured(*key)
        level = predictors[key[0]].level(cells[own])[0] if value == "gap" else 0.0
        ax.plot(steps / budget.steps(cells[own], 1.0) / scale, error - level, "o", ms=2.5, color=color)
    ax.axvline(budget.amount / scale, color="black", lw=0.6, ls="--")
    unit = "compute of one run (FLOPs)" if budget.unit == "flops" else "GPU-hours of one run"
    what = "gap to $e_\\infty$(P, D)" if value == "gap" else "percent error"
    ax.set(xscale="log", yscale="log", xlabel=unit, ylabel=f"predicted {what} (fraction)")
    low, high = ax.get_ylim()
    plain_ticks([ax], "y", max(low, lead[value].clip(lower=1e-4).min() / 3), min(high, 1.0))
    handles.append(line_mark("0.3", "measured", marker="o", ms=2.5, ls="none"))
    handles.append(line_mark("0.3", "longer than trained", ls="--"))
    amount = f"{power_of_ten(budget.amount)} FLOPs" if budget.unit == "flops" else str(budget)
    handles.append(line_mark("black", f"budget: {amount}", lw=0.6, ls="--"))
    legend(figure, handles)
    return figure
