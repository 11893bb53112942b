"""A noisy, autocorrelated trajectory as a few points, evenly spaced in log x, each with a standard error."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]
BATCHES = 8  # of consecutive steps within a bin, whose means are nearly independent


def settled(trajectory: pd.DataFrame) -> pd.DataFrame:
    """The steps that a law along a trajectory is fitted to: from the first with the full learning rate on.

    Warm-up belongs to the optimiser, not to the law. A schedule that decays bends the whole curve; its steps
    are kept, and `decays` says so.
    """
    rate = trajectory["learning_rate"].to_numpy()
    return trajectory.iloc[int(np.argmax(rate >= 0.999 * rate.max())) :]


def decays(trajectory: pd.DataFrame) -> bool:
    """Whether the learning rate ends below its largest value."""
    rate = trajectory["learning_rate"].to_numpy()
    return bool(rate[-1] < 0.9 * rate.max())


def log_bins(x: Array, y: Array, per_decade: int = 8) -> tuple[Array, Array, Array]:
    """Means of y in bins evenly spaced in log x.

    Args: x: positive, increasing; y: same length; per_decade: bins for each factor of ten.
    Returns: (geometric mean of x, mean of y, standard error of that mean by batch means; NaN for a bin with
        fewer than two values), one value for each bin that is not empty.
    """
    index = np.floor(np.log10(x / x[0]) * per_decade).astype(int)
    edges = np.flatnonzero(np.diff(index, prepend=index[0] - 1))
    bins = np.split(np.arange(len(x)), edges[1:])
    centres = np.array([np.exp(np.log(x[part]).mean()) for part in bins])
    means = np.array([y[part].mean() for part in bins])
    errors = np.array([batch_means_error(y[part]) for part in bins])
    return centres, means, errors


def batch_means_error(y: Array) -> float:
    """Standard error of the mean of an autocorrelated series: spread of the means of BATCHES consecutive
    batches (of single values where there are fewer than two a batch)."""
    if len(y) < 2:
        return float("nan")
    batches = BATCHES if len(y) >= 2 * BATCHES else len(y)
    means = np.array([part.mean() for part in np.array_split(y, batches)])
    return float(means.std(ddof=1) / np.sqrt(batches))
