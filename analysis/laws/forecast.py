"""What a cell that was trained will reach with more or less compute: the law of the grid, moved to where the cell is.

The law of the grid is off by several per cent in each cell, but a cell's deviation is known where it was trained,
and drifts slowly from there on. So the law's change from the last measured point, above the floor, is applied to
what was measured, and the forecast widens with log(steps / steps trained) as fast as such forecasts were seen to
miss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.laws.grid_law import GridLaw, fit_grid_law
from analysis.laws.huber import Array, percentiles

EARLY = 0.25  # of each run's steps, from which its end is foretold as a test


Curve = tuple[Array, Array, Array]  # log steps, log error, its standard error


@dataclass(frozen=True)
class Forecaster:
    """A law of the grid with the measured curves by P, D, K; `drift`: by how much log error misses its forecast for
    each unit of log steps, root mean square over the runs; `points`: what all this comes from."""

    law: GridLaw
    points: pd.DataFrame
    curves: dict[tuple[int, int, int], Curve]
    drift: float

    def foretell(self, cells: pd.DataFrame, steps: Array) -> tuple[Array, Array, Array]:
        """Percent error of each cell (rows with P, D, K that are among the points) after so many steps (n,), and
        the ends of its 95 % forecast. Within the steps that were trained, what was measured."""
        curves = [self.curves[cell.P, cell.D, cell.K] for cell in cells.itertuples()]
        wanted = np.log(steps)
        at = np.clip(wanted, [curve[0][0] for curve in curves], [curve[0][-1] for curve in curves])
        log_error, noise = np.array(
            [[np.interp(x, curve[0], column) for column in curve[1:]] for x, curve in zip(at, curves, strict=True)]
        ).T
        there, here = (self.law.inputs(x, cells["P"], cells["D"], cells["K"]) for x in (steps, np.exp(at)))
        fit = self.law.fit
        floor, floors = self.law.floors(cells["P"], cells["D"])
        error = _carried(np.exp(log_error), fit.predict(**here), fit.predict(**there), floor)
        spread = np.hypot(self.drift * np.abs(wanted - at), noise)
        normal = np.random.default_rng(0).standard_normal((len(floors), 1))
        draws = _carried(np.exp(log_error), fit.curves(**here), fit.curves(**there), floors) * np.exp(spread * normal)
        low, high = percentiles(draws)
        return error, low, high


def _carried(measured: Array, here: Array, there: Array, floor: Array) -> Array:
    """What was measured where the law says `here`, carried to where it says `there`: what lies above the floor
    changes as the law does above it, and an error below the floor as the law does in all."""
    above = np.maximum(here - floor, 1e-12)
    carried: Array = np.where(
        measured > floor, floor + (measured - floor) * (there - floor) / above, measured * there / here
    )
    return carried


def forecaster(points: pd.DataFrame, law: GridLaw) -> Forecaster:
    """Of one variant's points, as `grid_points` gives them, and its law. Raises ValueError where no run spans a factor
    of two in steps, so that nothing is known of how forecasts miss."""
    known = law.inputs(points["steps"], points["P"], points["D"], points["K"])
    table = points.assign(at=np.log(points["steps"]), law=law.fit.predict(**known))
    last = table.sort_values("steps").groupby("run").tail(1).set_index("run").loc[table["run"]]
    floor, _ = law.floors(points["P"], points["D"])
    error, here, there = (column.to_numpy(float) for column in (table["error"], table["law"], last["law"]))
    foretold = _carried(error, here, there, floor)
    distance = last["at"].to_numpy(float) - table["at"].to_numpy(float)
    far = distance > np.log(2)
    if not far.any():
        raise ValueError("no run spans a factor of two in steps")
    missed = np.log(last["error"].to_numpy(float) / foretold)
    drift = float(np.sqrt(((missed[far] / distance[far]) ** 2).mean()))
    curves = {cell: _curve(part) for cell, part in table.groupby(["P", "D", "K"])}
    return Forecaster(law, points, curves, drift)


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


def _curve(points: pd.DataFrame) -> Curve:
    """Mean over seeds; its standard error is the larger of the noise within runs and what seeds say."""
    logs = points.assign(log_error=np.log(points["error"])).groupby("at")
    means, count = logs[["log_error", "noise"]].mean(), logs.size()
    noise = np.fmax(means["noise"], logs["log_error"].std()) / np.sqrt(count)
    return means.index.to_numpy(float), means["log_error"].to_numpy(float), noise.to_numpy(float)
