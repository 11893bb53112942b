"""I have this much compute: which P, D and K? Answered from the law of the grid and the measured speeds.

python analysis/recommend.py results/quickstart --flops 1e15
python analysis/recommend.py results/quickstart --gpu-hours 2 --rank gap

Writes figures/frontier.{png,pdf}.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from analysis.laws.forecast import Forecaster, end_test, forecaster
from analysis.pages.command_options import RESULTS, app, user_errors
from analysis.pages.grid_law_figures import grid_laws, measured_points
from analysis.query import print_table
from analysis.laws.huber import Array
from analysis.laws.cell_law import CELL
from analysis.pages.style import COLOURS, plain_ticks, save
from analysis.reading.results import Results, ResultsError, open_results
from mmcr_core.theory import expected_percent_error

EXAMPLE = "Example: python analysis/recommend.py results/quickstart --flops 1e14 --rank gap"
FLOORS = (
    "Percent errors of different P / D have different floors: uniform embeddings have e_inf(P, D), 0.151 at P = D and "
    "about min(P, D) / (8 max(P, D)) far from it. A small error far from P = D need not be a better encoder: compare "
    "`gap`, the error above e_inf (--rank gap), or accuracies (--rank probe)."
)
TOLERATED = 0.2  # relative error of the test forecast beyond which a warning says so
SHOWN_LINES = 4  # of the frontier's figure
cli = app()


class Rank(StrEnum):
    error = "error"
    gap = "gap"
    probe = "probe"


@dataclass(frozen=True)
class Budget:
    """`amount` of `unit`: flops, or device-seconds."""

    unit: str
    amount: float

    def steps(self, cells: pd.DataFrame, amount: Array | float | None = None) -> Array:
        """Optimiser steps that each cell makes of the budget (or of another amount of its unit)."""
        one = cells["flops_per_step"] if self.unit == "flops" else cells["P"] / cells["images_per_second"]
        steps: Array = (self.amount if amount is None else amount) / one.to_numpy(float)
        return steps

    def __str__(self) -> str:
        return f"{self.amount:.3g} FLOPs" if self.unit == "flops" else f"{self.amount / 3600:.3g} GPU-hours"


@cli.command(epilog=EXAMPLE)
@user_errors
def main(
    results: RESULTS,
    flops: Annotated[float | None, typer.Option(help="Compute for one run, in FLOPs.")] = None,
    gpu_hours: Annotated[
        float | None, typer.Option(help="Compute for one run, in hours of this sweep's device.")
    ] = None,
    rank: Annotated[
        Rank, typer.Option(help="By percent error, by its gap to e_inf, or by probe accuracy.")
    ] = Rank.error,
    top: Annotated[int, typer.Option(min=1, help="Cells shown.")] = 10,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder of the figure.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
) -> None:
    """Rank the sweep's cells for a given compute."""
    if (flops is None) == (gpu_hours is None):
        raise ResultsError("give --flops or --gpu-hours, one of the two")
    budget = Budget("flops", flops) if flops is not None else Budget("seconds", 3600 * (gpu_hours or 0))
    if not (np.isfinite(budget.amount) and budget.amount > 0):
        raise ResultsError(f"the compute is {budget.amount:g}; it must be positive")
    opened = open_results(results)
    points = measured_points(opened)
    kinds = grid_laws(points)
    try:
        laws = {name: forecaster(points[points["variant"] == name], floors[0]) for name, floors in kinds.items()}
    except ValueError as error:
        raise ResultsError(f"{opened.root} allows no forecast: {error}") from error
    cells = priced_cells(opened, laws)
    table = recommend(cells, laws, budget, rank.value)
    remarks = [FLOORS]
    if budget.unit == "seconds":
        remarks.append(f"Speeds are those measured on: {'; '.join(sorted(set(cells['device'])))}.")
    remarks += [f"Warning: {text}" for text in warnings(table.head(top), laws, budget, rank.value)]
    if as_json:
        print(table.head(top).to_json(orient="records", indent=2))
        print("\n".join(remarks), file=sys.stderr)
        return
    print_table(readable(table.head(top)), f"Best of {len(table)} cells for {budget}, by {rank.value}")
    print("\n".join(remarks))
    path = save(draw(cells, laws, budget, table, rank.value), output or opened.root / "figures", "frontier")
    print(path)


def priced_cells(results: Results, laws: dict[str, Forecaster]) -> pd.DataFrame:
    """Means over seeds of the finished runs of each cell of a variant that has a law: variant, P, D, K, steps,
    flops_per_step, images_per_second, flops, wall_seconds, probe_accuracy, its standard error over seeds, device."""
    runs = results.runs()
    runs = runs[(runs["status"] == "finished") & runs["variant"].isin(list(laws))]
    grouped = runs.groupby(CELL)
    cells = grouped[["flops_per_step", "images_per_second", "probe_accuracy"]].mean()
    cells["probe_error"] = grouped["probe_accuracy"].std() / np.sqrt(grouped.size())
    cells[["steps", "flops", "wall_seconds"]] = grouped[["steps", "flops", "wall_seconds"]].max()
    cells["device"] = grouped["device"].agg(lambda names: ", ".join(sorted(set(names))))
    return cells.reset_index()


def recommend(cells: pd.DataFrame, laws: dict[str, Forecaster], budget: Budget, rank: str) -> pd.DataFrame:
    """Every cell at the budget, best first: variant, P, D, K, steps, times (steps in multiples of what was trained),
    error with its 95 % forecast, e_inf, gap with its forecast, probe accuracy as measured (at the measured steps)."""
    parts = []
    for variant, mine in cells.groupby("variant"):
        steps = budget.steps(mine)
        error, low, high = laws[str(variant)].foretell(mine, steps)
        level = np.asarray(expected_percent_error(mine["P"], mine["D"]))
        parts.append(
            mine[CELL].assign(
                steps=np.maximum(1, steps.round()).astype(int),
                times=steps / mine["steps"],
                error=error,
                low=low,
                high=np.minimum(high, 1.0),
                e_inf=level,
                gap=error - level,
                gap_low=low - level,
                gap_high=high - level,
                probe_accuracy=mine["probe_accuracy"],
                probe_error=mine["probe_error"],
            )
        )
    table = pd.concat(parts, ignore_index=True)
    if rank == "probe":
        if table["probe_accuracy"].isna().all():
            raise ResultsError("no run has a probe accuracy; launch the grid with evaluate: {probe: knn}")
        return table.sort_values("probe_accuracy", ascending=False, ignore_index=True)
    return table.sort_values(rank, ignore_index=True)


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table for people: rounded, 95 % forecasts in brackets."""

    def forecast(name: str, low: str, high: str) -> list[str]:
        values = zip(table[name], table[low], table[high], strict=True)
        return [f"{value:.4f} ({a:.4f} to {b:.4f})" for value, a, b in values]

    return table[[*CELL, "steps"]].assign(
        **{
            "x trained": table["times"].map("{:.2g}".format),
            "percent error (95 %)": forecast("error", "low", "high"),
            "e_inf": table["e_inf"].round(4),
            "gap (95 %)": forecast("gap", "gap_low", "gap_high"),
            "probe accuracy (± s.e.)": [
                f"{value:.4f}" + (f" ± {spread:.4f}" if np.isfinite(spread) else "") if np.isfinite(value) else ""
                for value, spread in zip(table["probe_accuracy"], table["probe_error"], strict=True)
            ],
        }
    )


def warnings(shown: pd.DataFrame, laws: dict[str, Forecaster], budget: Budget, rank: str) -> list[str]:
    """Sentences on what the ranking should not be trusted for."""
    found = []
    if (beyond := shown[shown["times"] > 1.01])["times"].size:
        found.append(
            f"{len(beyond)} of the {len(shown)} cells shown extrapolate: {budget} is {beyond['times'].min():.2g} to "
            f"{beyond['times'].max():.2g} times as long as they were trained."
        )
    if (short := int((shown["steps"] < 10).sum())) > 0:
        found.append(f"{short} of the cells shown would make fewer than 10 steps; the law says nothing of warm-up.")
    best = shown.iloc[0]
    column = {"error": ("low", "high", "error"), "gap": ("gap_low", "gap_high", "gap")}.get(rank)
    if column and (ties := int((shown[column[0]] <= best[column[1]]).sum()) - 1) > 0:
        found.append(f"forecasts of {ties} more of the cells shown overlap the first one's: the order is not certain.")
    if rank == "probe":
        found.append("accuracies are those measured at the end of each run, not at the compute asked for.")
    for variant in shown["variant"].unique():
        if laws[variant].points["decays"].any():
            found.append(
                f"the learning rate of {variant} decays, so errors along its runs are not those of shorter runs, nor "
                "do they lead on to longer ones: sweep the budget, and compare final errors."
            )
        error, coverage, runs = end_test(laws[variant].points, laws[variant].law.floor)
        if runs == 0:
            found.append(f"the runs of {variant} are too short to test the forecast on their own ends.")
        elif error > TOLERATED or coverage < 0.8:
            found.append(
                f"from the first quarter of the runs of {variant} their ends are foretold with "
                f"{100 * error:.0f} % error, {100 * coverage:.0f} % inside the 95 % forecast: trust the ranking no "
                "further than that."
            )
    return found


def draw(cells: pd.DataFrame, laws: dict[str, Forecaster], budget: Budget, table: pd.DataFrame, rank: str) -> Figure:
    """The compute frontier: the least error (or gap) of any cell at each compute with its forecast, and the cells
    that lead somewhere or are best at the budget, with what was measured along their runs."""
    value = "gap" if rank == "gap" else "error"
    scale = 1.0 if budget.unit == "flops" else 3600.0
    trained = cells["flops"] if budget.unit == "flops" else cells["wall_seconds"]
    amounts = np.geomspace(min(trained.min() / 30, budget.amount / 2), 2 * max(trained.max(), budget.amount), 80)
    at = [recommend(cells, laws, Budget(budget.unit, amount), value) for amount in amounts]
    lead = pd.DataFrame([part.iloc[0] for part in at])
    names = ("gap_low", "gap_high") if value == "gap" else ("low", "high")
    figure, ax = plt.subplots(figsize=(4.8, 3.4), layout="constrained")
    ax.fill_between(amounts / scale, np.maximum(lead[names[0]], 1e-4), lead[names[1]], color="0.88", lw=0)
    ax.plot(amounts / scale, lead[value], color="0.6", lw=4, label="best of all cells, 95 % forecast")
    leaders = lead.groupby(CELL, sort=False).size().nlargest(SHOWN_LINES // 2).index.tolist()
    best = [key for key in table[CELL].itertuples(index=False, name=None) if key not in leaders]
    for colour, key in zip(COLOURS, leaders + best[: SHOWN_LINES - len(leaders)], strict=False):
        line = pd.concat([part[(part[CELL] == list(key)).all(axis=1)] for part in at])[value].to_numpy()
        own = (cells[CELL] == list(key)).all(axis=1)
        until = amounts <= trained[own].iloc[0]
        label = f"P = {key[1]}, D = {key[2]}, K = {key[3]}" + (f", {key[0]}" if len(laws) > 1 else "")
        ax.plot(amounts[until] / scale, line[until], color=colour, lw=1.2, label=label)
        ax.plot(amounts[~until] / scale, line[~until], color=colour, lw=1.2, ls="--")
        log_steps, log_error, _ = laws[key[0]].curves[key[1:]]
        spent = np.exp(log_steps) / budget.steps(cells[own], 1.0)
        level = float(expected_percent_error(key[1], key[2])) if value == "gap" else 0.0
        ax.plot(spent / scale, np.exp(log_error) - level, "o", ms=2.5, color=colour)
    ax.axvline(budget.amount / scale, color="black", lw=0.6, ls="--")
    ax.annotate(f"{budget} ", (budget.amount / scale, 1), xycoords=("data", "axes fraction"), va="top", ha="right",
                fontsize=7)  # fmt: skip
    unit = "compute of one run (FLOPs)" if budget.unit == "flops" else "GPU-hours of one run"
    what = "gap to $e_\\infty$(P, D)" if value == "gap" else "percent error"
    ax.set(xscale="log", yscale="log", xlabel=unit, ylabel=f"foretold {what}")
    low, high = ax.get_ylim()
    plain_ticks([ax], "y", max(low, lead[value].clip(lower=1e-4).min() / 3), min(high, 1.0))
    ax.legend(title="points: measured; dashed: longer than trained", title_fontsize=6, fontsize=6)
    return figure


if __name__ == "__main__":
    cli()
