"""What a cell that was trained will reach with more or less compute: the law of the grid, moved to where the cell is.

The law of the grid is off by several per cent in each cell, but a cell's deviation is known where it was
trained, and drifts slowly from there on. So the law's change from the last measured point is applied to what was
measured, and the forecast widens with log(steps / steps trained) as fast as deviations were seen to drift.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.grid_law import GridLaw, fit_grid_law
from analysis.robust import Array, percentiles

EARLY = 0.25  # of each run's steps, from which its end is foretold as a test


@dataclass(frozen=True)
class Forecaster:
    """A law of the grid with its points; `drift`: standard deviation of the change of a cell's deviation in log
    error, for each unit of log steps."""

    law: GridLaw
    points: pd.DataFrame
    drift: float

    def foretell(self, cells: pd.DataFrame, steps: Array) -> tuple[Array, Array, Array]:
        """Percent error of each cell (rows with P, D, K that are among the points) after so many steps (n,), and
        the ends of its 95 % forecast. Within the steps that were trained, what was measured."""
        by_cell = self.points.sort_values("steps").groupby(["P", "D", "K"])
        curves = [by_cell.get_group((cell.P, cell.D, cell.K)) for cell in cells.itertuples()]
        ends = np.array([(curve["steps"].min(), curve["steps"].max()) for curve in curves])
        anchor = np.clip(steps, ends[:, 0], ends[:, 1])
        pairs = [_interpolate(curve, at) for curve, at in zip(curves, anchor, strict=True)]
        measured, noise = np.array(pairs).T
        there, here = (self.law.inputs(at, cells["P"], cells["D"], cells["K"]) for at in (steps, anchor))
        fit = self.law.fit
        change = fit.curves(**there) / fit.curves(**here)
        spread = np.hypot(self.drift * np.abs(np.log(steps / anchor)), noise)
        normal = np.random.default_rng(0).standard_normal((len(change), 1))
        low, high = percentiles(measured * change * np.exp(spread * normal))
        return measured * fit.predict(**there) / fit.predict(**here), low, high


def forecaster(points: pd.DataFrame, law: GridLaw) -> Forecaster:
    """Of one variant's points, as `grid_points` gives them, and its law."""
    known = law.inputs(points["steps"], points["P"], points["D"], points["K"])
    table = points.assign(
        at=np.log(points["steps"]), deviation=np.log(points["error"]) - np.log(law.fit.predict(**known))
    )
    last = table.sort_values("steps").groupby("run").tail(1).set_index("run")
    distance = table["run"].map(last["at"]) - table["at"]
    change = table["run"].map(last["deviation"]) - table["deviation"]
    far = distance > np.log(2)
    return Forecaster(law, points, float(np.sqrt(((change / distance)[far] ** 2).mean())))


def end_test(points: pd.DataFrame, floor: str) -> tuple[float, float, int]:
    """How well the ends of all runs are foretold from their first quarter: r.m.s. relative error, share inside the
    95 % forecasts, number of runs; NaN and 0 where the first quarters are too short."""
    last = points.sort_values("steps").groupby("run").tail(1)
    early = points[points["steps"] <= EARLY * points["run"].map(last.set_index("run")["steps"])]
    try:
        known = forecaster(early, fit_grid_law(early, floor))
    except ValueError:
        return float("nan"), float("nan"), 0
    last = last[last["run"].isin(early["run"])]
    error, low, high = known.foretell(last, last["steps"].to_numpy(float))
    measured = last["error"].to_numpy(float)
    inside = (low <= measured) & (measured <= high)
    return float(np.sqrt(((error / measured - 1) ** 2).mean())), float(inside.mean()), len(last)


def _interpolate(curve: pd.DataFrame, steps: float) -> tuple[float, float]:
    """Error at so many steps and its relative standard error, linear in logs; seeds averaged."""
    logs = curve.assign(at=np.log(curve["steps"]), log_error=np.log(curve["error"])).groupby("at")
    means, count = logs[["log_error", "noise"]].mean(), logs.size()
    means["noise"] = np.fmax(means["noise"], logs["log_error"].std()) / np.sqrt(count)
    at = np.log(steps)
    return (
        float(np.exp(np.interp(at, means.index, means["log_error"]))),
        float(np.interp(at, means.index, means["noise"])),
    )
