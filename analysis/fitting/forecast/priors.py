"""Log-normal priors of the hyperparameters, learned from sweeps that were trained whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.fitting.forecast.covariance import Scales

# Before any sweep: medians, and standard deviations of the logarithms, wide enough for a sweep to speak for itself.
VAGUE = Scales(0.05, 0.04, 0.05, 2.0, 2.0, 4.0, 0.012, 2.0, 0.004)
VAGUE_SPREAD = Scales(1.5, 1.5, 1.5, 0.8, 0.8, 0.8, 1.0, 0.8, 1.0)
BETWEEN_SWEEPS = 0.35  # of the logarithm at least, since few sweeps taught it
UNSEEN_SPREAD = 0.7  # of what no sweep taught

# Of digits, CIFAR-10, Tiny ImageNet and digits with fewer images: what `learned` makes of them is within a standard
# error of these (tests/analysis/fitting/forecast/test_priors.py), on which all committed forecasts rest.
MEDIANS = Scales(0.075, 0.062, 0.044, 2.5, 1.8, 3.1, 0.0093, 2.0, 0.0035)
SPREADS = Scales(1.0, 0.86, 0.4, 0.46, 0.4, 0.47, 0.8, 0.63, 0.39)


def drawn(rng: np.random.Generator) -> Scales:
    """The hyperparameters of a sweep of which nothing is known."""
    return Scales(*np.exp(np.log(MEDIANS) + np.array(SPREADS) * rng.standard_normal(len(SPREADS))))


def learned(modes: Sequence[Scales]) -> tuple[Scales, Scales]:
    """Medians and spreads of the next sweep's hyperparameters, of the most probable ones of some sweeps (fitted under
    VAGUE, which counts as one more sweep): geometric means, and the standard deviations between sweeps with
    BETWEEN_SWEEPS added in squares. A scale of 0 was not there to be learned (of a single variant)."""
    medians, spreads = [], []
    for column in zip(VAGUE, *modes, strict=True):
        logs = np.log([value for value in column if value > 0])
        medians.append(float(np.exp(logs.mean())))
        spreads.append(float(np.hypot(logs.std(ddof=1), BETWEEN_SWEEPS)) if len(logs) > 1 else UNSEEN_SPREAD)
    return Scales(*medians), Scales(*spreads)
