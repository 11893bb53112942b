"""The scale on which a quantity is predicted, with the smooth trend that it has there.

Percent errors of MMCR have a scaling law of the log; everything else (other objectives, accuracies) a quadratic trend
of the logit.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from scipy.special import expit, logit

from analysis.fitting.forecast.points import Array, Points
from analysis.fitting.forecast.trends import Quadratic, ScalingLaw, Trend
from mmcr_core.theory import PERCENT_ERROR

LAW_OF = "mmcr"  # the objective whose percent error has a law
LEAST = 1e-9  # from 0, and from 1, of numbers that have a value


class Scale(StrEnum):
    """Values are logs, or logits, of numbers; arrays of both are (n,)."""

    LOG = "log"
    LOGIT = "logit"

    @classmethod
    def of(cls, quantity: str, objective: str) -> Scale:
        """That of the percent error, or of a measure, of an objective's runs."""
        return cls.LOG if (quantity, objective) == (PERCENT_ERROR, LAW_OF) else cls.LOGIT

    def transform(self, numbers: Array) -> Array:
        """Values of numbers, which are moved by LEAST where they would be infinite."""
        found: Array = np.log(np.maximum(numbers, LEAST)) if self is Scale.LOG else logit(_inside(numbers))
        return found

    def inverse(self, values: Array) -> Array:
        """Numbers of values."""
        found: Array = np.exp(values) if self is Scale.LOG else expit(values)
        return found

    def residual(self, measured: float, mean: float, sd: float) -> float:
        """How many standard deviations a measured number is above a predicted value."""
        return float((self.transform(np.array(measured)) - mean) / sd)

    def slope(self, numbers: Array) -> Array:
        """By how much the number changes for one of the value."""
        return np.maximum(numbers, LEAST) if self is Scale.LOG else _inside(numbers) * (1 - _inside(numbers))

    def unit(self, values: Array, relative: bool) -> Array:
        """The same at values; `relative`: as a fraction of the number."""
        numbers = self.inverse(values)
        return self.slope(numbers) / numbers if relative else self.slope(numbers)

    def trend(self, points: Points) -> Trend:
        """What is smooth in points of this scale, at their height."""
        return ScalingLaw.near(points) if self is Scale.LOG else Quadratic.near(points)


def shrunken(shares: Array, counts: Array) -> Array:
    """Shares of so many samples, drawn from 0 and 1 by half a count: none of n, or all, has a logit."""
    return (shares * counts + 0.5) / (counts + 1)


def _inside(numbers: Array) -> Array:
    return np.clip(numbers, LEAST, 1 - LEAST)
