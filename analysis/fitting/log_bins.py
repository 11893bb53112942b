"""A noisy, autocorrelated trajectory as a few points, evenly spaced in log x, with their covariance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
BATCHES = 8  # of consecutive steps within a bin, whose means are nearly independent


def after_warmup(rate: Array) -> int:
    """The first of the steps that a law along a trajectory is fitted to, by their learning rates (n,): twice the first
    with the full one.

    Warm-up belongs to the optimizer, not to the law, and a run takes about as long again to forget it: on the digits
    the first steps after it lie up to 8% above any law of the rest where batches are large. A schedule that decays
    bends the whole curve; its steps are kept, and `decays` says so.
    """
    return min(2 * int(np.argmax(rate >= 0.999 * rate.max())), len(rate) - 1)


def decays(rate: Array) -> bool:
    """Whether the learning rate, (n,), ends below its largest value."""
    return bool(rate[-1] < 0.9 * rate.max())


@dataclass(frozen=True)
class Bins:
    """Means of y over bins even in log x: `x` geometric, `y` arithmetic, `covariance` that of log y, (n, n)."""

    x: Array
    y: Array
    covariance: Array

    @property
    def error(self) -> Array:
        """Standard error of each y."""
        errors: Array = self.y * np.sqrt(np.diag(self.covariance))
        return errors


def log_bins(x: Array, y: Array, per_decade: int = 8) -> Bins:
    """Bins of a trajectory, with the covariance that its autocorrelated noise gives to their means.

    The noise is what is left of log y after a cubic in log x; its autocovariance, taken as the same all
    along, gives variance and covariance of means over any two stretches of steps, single steps included.

    Args: x: positive, increasing; y: positive, same length; per_decade: bins for each factor of ten.
    """
    index = np.floor(np.log10(x / x[0]) * per_decade).astype(int)
    edges = np.append(np.flatnonzero(np.diff(index, prepend=index[0] - 1)), len(x))
    counts = np.diff(edges)
    centers = np.exp(np.add.reduceat(np.log(x), edges[:-1]) / counts)
    means = np.add.reduceat(y, edges[:-1]) / counts
    position = np.log(x) - np.log(x).mean()
    degree = min(3, len(x) - 1)
    noise = np.log(y) - np.polynomial.Polynomial.fit(position, np.log(y), degree)(position)
    sums = _range_sums(autocovariance(noise), edges)
    return Bins(centers, means, sums / np.outer(counts, counts))


def pooled(every: Sequence[Bins]) -> Bins:
    """The mean curve of replicates with bins of the same steps, as the bins of one run."""
    x = np.exp(np.mean([np.log(bins.x) for bins in every], axis=0))
    covariance = np.mean([bins.covariance for bins in every], axis=0) / len(every)
    return Bins(x, np.mean([bins.y for bins in every], axis=0), covariance)


def autocovariance(noise: Array) -> Array:
    """Autocovariance at lags 0, 1, ... up to where pairs of lags stop being positive (Geyer 1992)."""
    n = len(noise)
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(noise - noise.mean(), size)) ** 2
    gamma = np.fft.irfft(spectrum, size)[: max(1, n // 4)] / n
    pairs = gamma[: len(gamma) // 2 * 2].reshape(-1, 2).sum(axis=1)
    positive = int(np.argmax(pairs <= 0)) if np.any(pairs <= 0) else len(pairs)
    kept: Array = gamma[: max(1, 2 * positive)]
    return kept


def _range_sums(gamma: Array, edges: NDArray[np.int64]) -> Array:
    """Covariances of the sums of a stationary series over the stretches between `edges`.

    With h(n) the variance of a sum of n neighbors, two stretches [a, b) and [c, d), b <= c, have covariance
    (h(d - a) - h(c - a) - h(d - b) + h(c - b)) / 2.
    """
    first, second = np.append(0, np.cumsum(gamma[1:])), np.append(0, np.cumsum(np.arange(1, len(gamma)) * gamma[1:]))

    def variance(n: NDArray[np.int64]) -> Array:
        at = np.clip(n - 1, 0, len(gamma) - 1)  # lags k < n that are not zero
        total: Array = n * gamma[0] + 2 * (n * first[at] - second[at])
        return total

    def h(later: NDArray[np.int64], earlier: NDArray[np.int64]) -> Array:
        return variance(np.abs(later[None, :] - earlier[:, None]))

    start, end = edges[:-1], edges[1:]
    above: Array = np.triu((h(end, start) - h(start, start) - h(end, end) + h(start, end)) / 2, 1)
    sums: Array = above + above.T + np.diag(np.maximum(variance(end - start), 0))
    return sums


def batch_means_error(y: Array) -> float:
    """Standard error of the mean of an autocorrelated series: spread of the means of BATCHES consecutive
    batches (of single values where there are fewer than two a batch)."""
    if len(y) < 2:
        return float("nan")
    batches = BATCHES if len(y) >= 2 * BATCHES else len(y)
    means = np.array([part.mean() for part in np.array_split(y, batches)])
    return float(means.std(ddof=1) / np.sqrt(batches))
