"""When a sweep knows enough: a target for its predictions, and whether they meet it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.fitting.forecast.points import Array

WORST = 3.0  # times a mean target: the largest 95% half-width that is left
CONFIRMED = 2  # more rungs have to end before a target counts as met


@dataclass(frozen=True)
class Target:
    """`within` so much, as a fraction of the error (or in a measure's own units): the root mean square error of the
    settings that are predicted, or, of the `largest`, each one's 95% half-width."""

    within: float
    largest: bool = False

    def distance(self, sd: Array, half_width: Array) -> float:
        """How far predictions with these calibrated standard deviations and half-widths are from it: met at 1 or
        less; 0 where nothing is predicted."""
        if not len(sd):
            return 0.0
        if self.largest:
            return float(half_width.max() / self.within)
        root_mean_square = float(np.sqrt((sd**2).mean()))
        return max(root_mean_square / self.within, float(half_width.max()) / (WORST * self.within))

    def weights(self, half_width: Array) -> Array:
        """How much the variance of each setting counts in the choice of what to train."""
        if self.largest:
            return (half_width > self.within).astype(float)
        return np.ones(len(half_width))
