"""Draws behind intervals: blocks of residuals, runs left out in turn; and residuals made independent."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.fitting.huber_regression import Array

TIED = 1e-12  # a deviation of numbers of order 1 that rounding alone makes


def block_resample(residuals: Array, count: int, rng: np.random.Generator) -> Array:
    """(count, n) residuals drawn in circular blocks of about n^(1/3) neighbors, spread as if their mean were known."""
    n = len(residuals)
    length = max(1, round(n ** (1 / 3)))
    blocks = -(-n // length)
    first = rng.integers(0, n, (count, blocks, 1))
    index = (first + np.arange(length)).reshape(count, blocks * length)[:, :n] % n
    drawn: Array = (residuals - residuals.mean())[index] * np.sqrt(n / max(n - length, 1))
    return drawn


def jackknife_draws(best: Array, one_out: Array, count: int, rng: np.random.Generator) -> Array:
    """Draws (count, p) whose percentiles are Student's t intervals of the mean run, from the fits `one_out` (runs, p)
    that leave out one run each: the delete-one-group jackknife. Between runs everything may differ."""
    runs = len(one_out)
    deviations = (runs - 1) * (best - one_out)
    root = (deviations - deviations.mean(axis=0)) / np.sqrt(runs * (runs - 1))
    even = rng.permuted(np.tile((np.arange(count) + 0.5) / count, (runs + 1, 1)), axis=1).T  # evenly spread draws
    t = stats.norm.ppf(even[:, :-1]) / np.sqrt(stats.chi2.ppf(even[:, -1:], runs - 1) / (runs - 1))
    draws: Array = best + t @ root
    return draws


def student_half_width(deviation: Any, count: Any) -> Any:
    """Half of Student's 95% interval of the mean of `count` values, from their standard deviation. NaN of one value, as
    its deviation is, and of values that are all alike: ties of a coarse measure (accuracy on few images, or at its
    ceiling) do not say how far others would lie apart."""
    known = np.where(np.asarray(deviation) > TIED, deviation, np.nan)
    half = stats.t.ppf(0.975, np.maximum(count - 1, 1)) * known / np.sqrt(count)
    return half if np.ndim(deviation) else float(half)


def student_factor(degrees: int) -> float:
    """By how much Student's t interval is wider than the normal one."""
    return float(stats.t.ppf(0.975, degrees) / stats.norm.ppf(0.975))


def square_root(covariance: Array) -> Array:
    """Symmetric square root; estimated covariances may be slightly indefinite."""
    values, vectors = np.linalg.eigh(covariance)
    root: Array = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return root


def independent(residuals: Array, known: Array | None, labels: NDArray[np.int64]) -> Array:
    """Residuals made independent, of variance 1, by their covariance, run after run; as they are without one."""
    parts: list[Array] = []
    for run in range(int(labels.max()) + 1):
        mine = np.flatnonzero(labels == run)
        root = np.eye(len(mine)) if known is None else square_root(known[np.ix_(mine, mine)])
        parts.append(np.asarray(np.linalg.lstsq(root, residuals[mine], rcond=1e-6)[0], float))
    return np.concatenate(parts)


def about_own_lines(residuals: Array, u: Array, weight: Array, labels: NDArray[np.int64]) -> Array:
    """Where runs are replicates, what each run's own line in u leaves of its residuals: seeds differ."""
    count, left = int(labels.max()) + 1, residuals.copy()
    for run in range(count) if count > 1 else ():
        mine = np.flatnonzero(labels == run)
        if len(mine) > 2:
            left[mine] -= np.polyval(np.polyfit(u[mine], residuals[mine], 1, w=weight[mine]), u[mine])
    return left
