"""Which P, D and K for so much compute: cells ranked by their predicted errors, at the measured speeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.estimates.fit_data import CELL
from analysis.estimates.prediction import Predictor
from analysis.fitting.huber_regression import Array
from analysis.results.errors import ResultsError
from sweeps.storage.run_status import RunStatus


@dataclass(frozen=True)
class Budget:
    """`amount` of `unit`: flops, or device-seconds."""

    unit: str
    amount: float

    def steps(self, cells: pd.DataFrame, amount: Array | float | None = None) -> Array:
        """Optimizer steps that each cell makes of the budget (or of another amount of its unit)."""
        one = cells["flops_per_step"] if self.unit == "flops" else cells["P"] / cells["images_per_second"]
        steps: Array = (self.amount if amount is None else amount) / one.to_numpy(float)
        return steps

    def __str__(self) -> str:
        return f"{self.amount:.3g} FLOPs" if self.unit == "flops" else f"{self.amount / 3600:.3g} GPU-hours"


def priced_cells(runs: pd.DataFrame, predictors: Mapping[str, Predictor]) -> pd.DataFrame:
    """Means over seeds of the finished runs of each cell of a variant that is predicted: variant, P, D, K, steps,
    flops_per_step, images_per_second, flops, wall_seconds, probe_accuracy, its standard error over seeds, device."""
    runs = runs[(runs["status"] == RunStatus.FINISHED) & runs["variant"].isin(list(predictors))]
    grouped = runs.groupby(CELL)
    cells = grouped[["flops_per_step", "images_per_second", "probe_accuracy"]].mean()
    cells["probe_error"] = grouped["probe_accuracy"].std() / np.sqrt(grouped.size())
    cells[["steps", "flops", "wall_seconds"]] = grouped[["steps", "flops", "wall_seconds"]].max()
    cells["device"] = grouped["device"].agg(lambda names: ", ".join(sorted(set(names))))
    return cells.reset_index()


def recommend(cells: pd.DataFrame, predictors: Mapping[str, Predictor], budget: Budget, rank: str) -> pd.DataFrame:
    """Every cell at the budget, best first: variant, P, D, K, steps, times (steps in multiples of what was trained),
    error with its 95% interval, e_inf, gap with its interval, probe accuracy as measured (at the measured steps)."""
    parts = []
    for variant, mine in cells.groupby("variant"):
        steps = budget.steps(mine)
        predictor = predictors[str(variant)]
        predicted, level = predictor.predict(mine, steps), predictor.level(mine)
        error, low, high = (predicted[name].to_numpy() for name in ("predicted", "low_95", "high_95"))
        parts.append(
            mine[CELL].assign(
                steps=np.maximum(1, steps.round()).astype(int),
                times=steps / mine["steps"],
                error=error,
                low=low,
                high=high,
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
