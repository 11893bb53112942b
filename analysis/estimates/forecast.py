"""What a cell that was trained will reach with more or less compute, predicted twice and averaged.

By the joint scaling law, moved to where the cell is: it is off by several per cent in each cell, but a cell's deviation
is known where it was trained, and drifts slowly from there on. And by the cell's own law, of the same form, which is
unbiased but sure only where the cell was trained for long. Both are carried from the last measured point, above the
irreducible error, and weighted by their variances: that of their parameters, and the drift, which grows with log(steps
/ steps trained) as fast as forecasts of the first kind were seen to miss, and which averaging does not lessen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.estimates.joint_scaling_law import JointForm, JointLaw, fit_joint_law
from analysis.fitting.huber_regression import LEVEL, Array
from analysis.fitting.power_law_fit import PowerLawFit, fit_power_law

EARLY = 0.25  # of each run's steps, from which its end is predicted as a test
LEAST = 5  # points per run, of a cell's own law

Cell = tuple[int, int, int]  # P, D, K
Curve = tuple[Array, Array, Array]  # log steps, log error, its standard error
Backtest = tuple[float, float, int]  # r.m.s. relative error, share inside the 95 % forecasts, runs


@dataclass(frozen=True)
class Forecaster:
    """A joint scaling law with the measured curves by P, D, K and the cells' own laws, where they have one; `drift`: by
    how much log error misses its forecast for each unit of log steps, root mean square over the runs; `points`: what
    all this comes from."""

    law: JointLaw
    points: pd.DataFrame
    curves: dict[Cell, Curve]
    own: dict[Cell, PowerLawFit]
    drift: float

    def predict(self, cells: pd.DataFrame, steps: Array) -> tuple[Array, Array, Array]:
        """Percent error of each cell (rows with P, D, K that are among the points) after so many steps (n,), and
        the ends of its 95 % forecast. Within the steps that were trained, what was measured."""
        keys = list(zip(cells["P"], cells["D"], cells["K"], strict=True))
        curves = [self.curves[key] for key in keys]
        wanted = np.log(steps)
        at = np.clip(wanted, [curve[0][0] for curve in curves], [curve[0][-1] for curve in curves])
        log_error, noise = np.array(
            [[np.interp(x, curve[0], column) for column in curve[1:]] for x, curve in zip(at, curves, strict=True)]
        ).T
        measured = np.exp(log_error)
        there, here = (self.law.inputs(x, cells["P"], cells["D"], cells["K"]) for x in (steps, np.exp(at)))
        fit, (irreducible, irreducible_errors) = self.law.fit, self.law.irreducible_errors(cells["P"], cells["D"])
        drift = (self.drift * (wanted - at)) ** 2
        grid = np.log(_carried(measured, fit.predict(**here), fit.predict(**there), irreducible))
        draws = np.log(_carried(measured, fit.curves(**here), fit.curves(**there), irreducible_errors))
        of_grid = draws.var(axis=0)
        own, of_own = np.array(
            [self._own(*each) for each in zip(keys, measured, np.exp(at), steps, irreducible, strict=True)]
        ).T
        lone, of_own = np.isinf(of_own), np.where(np.isinf(of_own), 0.0, of_own)
        share = np.where(lone, 0.0, (of_grid + drift) / np.maximum(of_grid + of_own + 2 * drift, 1e-12))
        center = grid + share * (np.where(lone, grid, own) - grid)
        spread = (1 - share) ** 2 * of_grid + share**2 * of_own
        half = stats.norm.ppf((1 + LEVEL) / 2) * np.sqrt(spread + drift + noise**2)
        return np.exp(center), np.exp(center - half), np.exp(center + half)

    def _own(self, cell: Cell, measured: float, at: float, steps: float, irreducible: float) -> tuple[float, float]:
        """log error by the cell's own law, carried from where it was measured, and its variance; (NaN, infinite)
        without one."""
        if (law := self.own.get(cell)) is None:
            return float("nan"), float("inf")
        here, there = law.predict(at), law.predict(steps)
        before, after = law.curves([at, steps]).T
        draws = np.log(_carried(np.asarray(measured), before, after, law.draws("E")))
        low, high = np.quantile(draws, stats.norm.cdf([-1, 1]))
        own = np.log(_carried(np.asarray(measured), here, there, np.asarray(irreducible)))
        return float(own), float(((high - low) / 2) ** 2)


def _carried(measured: Array, here: Array, there: Array, irreducible: Array) -> Array:
    """What was measured where the law says `here`, carried to where it says `there`: what lies above the irreducible
    error changes as the law does above it, and an error below it as the law does in all."""
    above = np.maximum(here - irreducible, 1e-12)
    carried: Array = np.where(
        measured > irreducible,
        irreducible + (measured - irreducible) * (there - irreducible) / above,
        measured * there / here,
    )
    return carried


def forecaster(points: pd.DataFrame, law: JointLaw) -> Forecaster:
    """Of one variant's points, as `grid_points` gives them, and its law. Raises ValueError where no run spans a factor
    of two in steps, so that nothing is known of how forecasts miss."""
    known = law.inputs(points["steps"], points["P"], points["D"], points["K"])
    table = points.assign(at=np.log(points["steps"]), law=law.fit.predict(**known))
    last = table.sort_values("steps").groupby("run").tail(1).set_index("run").loc[table["run"]]
    irreducible, _ = law.irreducible_errors(points["P"], points["D"])
    error, here, there = (column.to_numpy(float) for column in (table["error"], table["law"], last["law"]))
    predicted = _carried(error, here, there, irreducible)
    distance = last["at"].to_numpy(float) - table["at"].to_numpy(float)
    far = distance > np.log(2)
    if not far.any():
        raise ValueError("no run spans a factor of two in steps")
    missed = np.log(last["error"].to_numpy(float) / predicted)
    drift = float(np.sqrt(((missed[far] / distance[far]) ** 2).mean()))
    cells = dict(iter(table.assign(irreducible=irreducible).groupby(["P", "D", "K"])))
    own = {cell: fit for cell, part in cells.items() if (fit := _own_law(part, law.form)) is not None}
    return Forecaster(law, points, {cell: _curve(part) for cell, part in cells.items()}, own, drift)


def _own_law(points: pd.DataFrame, form: JointForm) -> PowerLawFit | None:
    """The law of one cell in the form of the grid's; None where there are too few points, or some below E."""
    irreducible = float(points["irreducible"].iloc[0])
    if points.groupby("run").size().min() < LEAST or points["error"].min() <= irreducible:
        return None
    covariance = np.diag(np.maximum(points["noise"].to_numpy(float), 1e-6) ** 2)
    return fit_power_law(
        points["steps"],
        points["error"],
        irreducible=irreducible,
        offset=form.offset,
        covariance=covariance,
        runs=points["run"],
    )


def backtest(points: pd.DataFrame, form: JointForm) -> Backtest:
    """How well the ends of all runs are predicted from their first quarter: r.m.s. relative error, share inside the
    95 % forecasts, number of runs; NaN and 0 where the first quarters are too short."""
    last = points.sort_values("steps").groupby("run").tail(1)
    early = points[points["steps"] <= EARLY * points["run"].map(last.set_index("run")["steps"])]
    try:
        known = forecaster(early, fit_joint_law(early, form))
    except ValueError:
        return float("nan"), float("nan"), 0
    last = last[last["run"].isin(early["run"])]
    error, low, high = known.predict(last, last["steps"].to_numpy(float))
    measured = last["error"].to_numpy(float)
    inside = (low <= measured) & (measured <= high)
    return float(np.sqrt(((error / measured - 1) ** 2).mean())), float(inside.mean()), len(last)


def _curve(points: pd.DataFrame) -> Curve:
    """Mean over seeds; its standard error is the larger of the noise within runs and what seeds say."""
    logs = points.assign(log_error=np.log(points["error"])).groupby("at")
    means, count = logs[["log_error", "noise"]].mean(), logs.size()
    noise = np.fmax(means["noise"], logs["log_error"].std()) / np.sqrt(count)
    return means.index.to_numpy(float), means["log_error"].to_numpy(float), noise.to_numpy(float)
