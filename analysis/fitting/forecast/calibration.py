"""How much wider intervals must be than a process says, from what it says of settings that it does not see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.fitting.forecast.points import Array
from analysis.fitting.forecast.process import Process

PRIOR_WEIGHT = 10.0  # residuals that the process's own uncertainty counts as
HELD_OUT = 0.3  # of the settings: the dearest, and those with the largest P D
FEWEST = 3  # settings, of which some can be left out
ENOUGH = 19  # residuals, below which no interval of 95% can be read from them without assuming a distribution
CLIPPED = 4.0  # a residual counts as no more: one setting that breaks the law must not widen all intervals
LEVELS = (0.5, 0.8, 0.95)


@dataclass(frozen=True)
class Calibration:
    """Standard deviations are to be multiplied by `factor`, of Student's t with `freedom` degrees; from the
    standardized residuals of so many settings left out (or predicted before they were trained)."""

    factor: float
    freedom: float
    residuals: int

    @property
    def few(self) -> bool:
        """Whether a 95% interval rests on the assumed distribution."""
        return self.residuals < ENOUGH

    def half_width(self, sd: Array, level: float = 0.95) -> Array:
        """Of the interval in the value, for standard deviations as the process gives them."""
        half: Array = stats.t.ppf((1 + level) / 2, self.freedom) * self.factor * sd
        return half


def calibrate(process: Process, before: Array | None = None) -> Calibration:
    """From each setting left out alone, the dearest 30% left out together, and those 30% with the largest P D, beside
    the standardized residuals `before` of predictions that were written before their outcome.

    Cheap cells do not tell how dear ones are missed, hence the blocks; points of one run are never left out without
    the others of its setting, since they say each other. The factor is drawn to 1 with the weight of ten residuals, and
    is never less: the hyperparameters have seen what is left out.
    """
    before = np.zeros(0) if before is None else before
    found = np.concatenate([before, *_standardized(process)])
    squares = np.minimum(np.abs(found), CLIPPED) ** 2
    settings = len(np.unique(process.points.setting)) + len(before)
    factor = np.sqrt((PRIOR_WEIGHT + squares.sum()) / (PRIOR_WEIGHT + len(squares)))
    return Calibration(max(1.0, float(factor)), PRIOR_WEIGHT + settings, settings)


def _standardized(process: Process) -> list[Array]:
    """Residuals of the last values of settings that are left out, over their standard deviations."""
    points, apart = process.points, process.settings_apart()
    if len(apart) < FEWEST:
        return []
    start = points[[block[0] for block in apart]]
    longest = np.array([points.steps[block].max() for block in apart])
    found = [process.each_left_out.standardized]
    for size in (longest * start.P * start.K, start.P * start.D):
        largest = np.argsort(size, kind="stable")[round((1 - HELD_OUT) * len(apart)) :]
        found.append(process.left_out_together([apart[each] for each in largest]).standardized)
    return found
