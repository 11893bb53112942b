"""Huber regression of log y, many problems at once.

A law is a function from parameters to log y and its derivatives (see `functional_forms`). All starts and all bootstrap
replicates are rows of one batch, solved together by Levenberg-Marquardt on iteratively reweighted squares; a row
leaves the batch when it has converged.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Law = Callable[[Array], tuple[Array, Array]]  # theta (B, p) -> log y (B, n), derivatives (B, n, p)
HUBER = 1.345  # in units of the residuals' scale: 95% efficient where they are normal
LEVEL = 0.95
TOGETHER = 100_000  # derivatives
LARGEST = 1e300
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
SETTLED = 1e-12  # relative change of a row's loss


def huber_fits(
    law: Law,
    log_y: Array,
    starts: Array,
    *,
    weight: Array | None = None,
    counts: Array | None = None,
    threshold: float | None = None,
    low: ArrayLike = -np.inf,
    high: ArrayLike = np.inf,
    iterations: int = 60,
) -> tuple[Array, Array]:
    """The best fit from any start to each row of log y: parameters (R, p) and their loss (R,).

    Args:
        law: of p parameters and n points.
        log_y: (R, n); starts: (S, p), each tried for each row.
        weight: (n,) factors of the residuals; counts: (R, n) how often each point counts in each row.
        threshold: where Huber's loss turns linear, in units of the weighted residuals; None: 1.345 times the
            spread around a least-squares fit of the same row.
        low, high: (p,) bounds of the parameters; one whose bounds are equal is known.
        iterations: at most, a descent.
    """
    rows, count = len(log_y), len(starts)
    if rows == 0:
        return np.empty((0, starts.shape[1])), np.empty(0)
    weight = np.ones(log_y.shape[1]) if weight is None else weight
    low, high = (np.broadcast_to(np.asarray(end, float), starts.shape[1:]) for end in (low, high))
    theta = np.clip(np.repeat(starts[None], rows, axis=0).reshape(rows * count, -1), low, high)
    target = np.repeat(log_y, count, axis=0)
    repeats = np.ones_like(target) if counts is None else np.repeat(counts, count, axis=0)

    def descend(theta: Array, edge: Array) -> tuple[Array, Array]:
        size = max(1, TOGETHER // theta[0].size // target.shape[1])  # rows whose derivatives stay in the cache
        parts = [slice(first, first + size) for first in range(0, len(theta), size)]

        def solve(p: slice) -> tuple[Array, Array]:
            return _levenberg_marquardt(law, target[p], theta[p], weight, repeats[p], edge[p], low, high, iterations)

        with ThreadPoolExecutor(CORES) as pool:  # numpy computes without holding the interpreter
            found = list(pool.map(solve, parts) if len(parts) > 1 else map(solve, parts))
        return np.concatenate([part[0] for part in found]), np.concatenate([part[1] for part in found])

    if threshold is None:
        theta, _ = descend(theta, np.full(len(theta), np.inf))
        residuals = np.abs((target - law(theta)[0]) * weight)
        spread = 1.4826 * np.median(residuals, axis=1).reshape(rows, count).min(axis=1)
        edge = HUBER * np.maximum(spread, 1e-9).repeat(count)
    else:
        edge = np.full(len(theta), threshold)
    theta, loss = descend(theta, edge)
    best = loss.reshape(rows, count).argmin(axis=1)
    chosen: Array = theta.reshape(rows, count, -1)[np.arange(rows), best]
    return chosen, loss.reshape(rows, count)[np.arange(rows), best]


def _levenberg_marquardt(
    law: Law,
    target: Array,
    theta: Array,
    weight: Array,
    counts: Array,
    edge: Array,
    low: Array,
    high: Array,
    iterations: int,
) -> tuple[Array, Array]:
    theta, free = theta.copy(), np.flatnonzero(low < high)
    low, high = low[free], high[free]
    log_y, derivatives = law(theta)
    loss = _huber((target - log_y) * weight, counts, edge)
    damping = np.full(len(theta), 1e-3)
    rows = np.arange(len(theta))  # that still move
    for _ in range(iterations):
        residual = (target[rows] - log_y) * weight
        jacobian = derivatives[..., free] * weight[:, None]
        trust = counts[rows] * np.minimum(1.0, edge[rows, None] / np.maximum(np.abs(residual), 1e-300))
        weighted = (jacobian * trust[..., None]).transpose(0, 2, 1)
        normal, gradient = weighted @ jacobian, (weighted @ residual[..., None])[..., 0]
        at = theta[rows][:, free]
        held = ((at <= low) & (gradient < 0)) | ((at >= high) & (gradient > 0))
        gradient[held] = 0
        normal *= ~(held[:, :, None] | held[:, None, :])
        diagonal = np.einsum("bii->bi", normal)
        diagonal += damping[rows, None] * diagonal + 1e-12 + held
        step = np.linalg.solve(normal, gradient[..., None])[..., 0]
        trial = theta[rows]
        trial[:, free] = np.clip(at + np.clip(step, -5, 5), low, high)
        trial_y, trial_derivatives = law(trial)
        trial_loss = _huber((target[rows] - trial_y) * weight, counts[rows], edge[rows])
        better = trial_loss < loss[rows]
        moved = np.abs(trial_loss - loss[rows]) > SETTLED * (SETTLED + loss[rows])
        theta[rows[better]], loss[rows[better]] = trial[better], trial_loss[better]
        damping[rows] = np.where(better, damping[rows] * 0.3, np.minimum(damping[rows] * 5, 1e12))
        log_y[better], derivatives[better] = trial_y[better], trial_derivatives[better]
        if not moved.all():
            log_y, derivatives, rows = log_y[moved], derivatives[moved], rows[moved]
        if len(rows) == 0:
            break
    return theta, loss


def _huber(residual: Array, counts: Array, edge: Array) -> Array:
    """0.5 r^2, and beyond the edge the tangent; summed over the points of each row."""
    size = np.abs(residual)
    inside = np.minimum(size, edge[:, None])
    total: Array = (counts * inside * (size - 0.5 * inside)).sum(axis=1)
    return total


def information_criterion(squares: Array, parameters: int) -> float:
    """AICc of normal residuals, their variance a parameter more; smaller is better, for the same points only.

    Args: squares: (n,) of the residuals.
    """
    n, k = len(squares), parameters + 1
    if n <= k + 1:
        return float("inf")
    variance = max(float(squares.mean()), 1e-300)
    return float(n * np.log(variance) + 2 * k + 2 * k * (k + 1) / (n - k - 1))


def group_criterion(squares: Array, parameters: int) -> float:
    """Schwarz's criterion where residuals of a group go together, so that groups count and not points; finite also for
    as many parameters as groups, whose points then determine them.

    Args: squares: (groups,) mean square of the residuals of each.
    """
    variance = max(float(squares.mean()), 1e-300)
    return float(len(squares) * np.log(variance) + (parameters + 1) * np.log(len(squares)))


def require_replicates(bootstrap: int) -> None:
    if bootstrap < 0:
        raise ValueError(f"bootstrap is {bootstrap}; give a number of replicates, 0 for none")


def percentiles(draws: Array, level: float = LEVEL) -> tuple[Array, Array]:
    """Central interval of bootstrap draws, some of them infinite, along their first axis; NaN of too few draws to have
    any outside (40 for 95%), whose range says nothing."""
    if len(draws) < round(2 / (1 - level)):
        empty = np.full(draws.shape[1:], np.nan)
        return empty, empty
    found = np.quantile(np.clip(draws, -LARGEST, LARGEST), [(1 - level) / 2, (1 + level) / 2], axis=0)
    low, high = np.where(np.abs(found) < LARGEST, found, np.copysign(np.inf, found))
    return low, high
