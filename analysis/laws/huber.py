"""Power laws with several terms, fitted by Huber regression of log y, many problems at once.

A law is a function from parameters to log y and its derivatives. All starts and all bootstrap replicates are
rows of one batch, solved together by Levenberg-Marquardt on iteratively reweighted squares.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

Array = NDArray[np.float64]
Law = Callable[[Array], tuple[Array, Array]]  # theta (B, p) -> log y (B, n), derivatives (B, n, p)
HUBER = 1.345  # in units of the residuals' scale: 95 % efficient where they are normal
LEVEL = 0.95


def log_floor(level: ArrayLike, count: int) -> Array:
    """log of a known floor, (count,); -inf for no floor."""
    with np.errstate(divide="ignore"):
        return np.broadcast_to(np.log(np.asarray(level, float)), (count,))


def product_law(u: Array, log_E: Array | None = None) -> Law:
    """y = E + exp(a - sum_i alpha_i u_i), theta = (log E, a, alpha_1 ...); u is (n, k), in logs.

    With `log_E`, (n,), E is that, point by point, and theta's first entry counts for nothing.
    """

    def law(theta: Array) -> tuple[Array, Array]:
        floor = theta[:, :1] if log_E is None else log_E[None]
        log_y = np.logaddexp(floor, theta[:, 1:2] - theta[:, 2:] @ u.T)
        share = np.exp(floor - log_y)  # of the floor in y
        above = (1 - share)[..., None]
        first = share[..., None] if log_E is None else np.zeros_like(above)
        return log_y, np.concatenate([first, above, -u[None] * above], axis=-1)

    return law


def sum_law(u: Array, log_E: Array | None = None) -> Law:
    """y = E + sum_i exp(a_i - alpha_i u_i), theta = (log E, a_1 ..., alpha_1 ...); otherwise as product_law."""

    def law(theta: Array) -> tuple[Array, Array]:
        count = u.shape[1]
        floor = theta[:, :1] if log_E is None else log_E[None]
        terms = theta[:, None, 1 : 1 + count] - theta[:, None, 1 + count :] * u[None]
        floors = np.broadcast_to(floor, terms.shape[:2])
        log_y = logsumexp(np.concatenate([floors[..., None], terms], axis=-1), axis=-1)
        shares = np.exp(terms - log_y[..., None])
        first = np.exp(floors - log_y) if log_E is None else np.zeros_like(log_y)
        return log_y, np.concatenate([first[..., None], shares, -u[None] * shares], axis=-1)

    return law


def huber_fits(
    law: Law,
    log_y: Array,
    starts: Array,
    *,
    weight: Array | None = None,
    counts: Array | None = None,
    threshold: float | None = None,
    fixed_floor: bool = False,
    iterations: int = 60,
) -> tuple[Array, Array]:
    """The best fit from any start to each row of log y: parameters (R, p) and their loss (R,).

    Args:
        law: of p parameters and n points.
        log_y: (R, n); starts: (S, p), each tried for each row.
        weight: (n,) factors of the residuals; counts: (R, n) how often each point counts in each row.
        threshold: where Huber's loss turns linear, in units of the weighted residuals; None: 1.345 times the
            spread around a least-squares fit of the same row.
        fixed_floor: leave the first parameter as it is.
    """
    rows, count = len(log_y), len(starts)
    if rows == 0:
        return np.empty((0, starts.shape[1])), np.empty(0)
    weight = np.ones(log_y.shape[1]) if weight is None else weight
    theta = np.repeat(starts[None], rows, axis=0).reshape(rows * count, -1)
    target = np.repeat(log_y, count, axis=0)
    repeats = np.ones((1, log_y.shape[1])) if counts is None else np.repeat(counts, count, axis=0)

    def descend(theta: Array, edge: Array) -> tuple[Array, Array]:
        return _levenberg_marquardt(law, target, theta, weight, repeats, edge, fixed_floor, iterations)

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
    fixed_floor: bool,
    iterations: int,
) -> tuple[Array, Array]:
    damping = np.full(len(theta), 1e-3)
    free = slice(1 if fixed_floor else 0, theta.shape[1])
    highest = target.min(axis=1) + 1  # of log E
    log_y, derivatives = law(theta)
    loss = _huber((target - log_y) * weight, counts, edge)
    for _ in range(iterations):
        residual = (target - log_y) * weight
        jacobian = derivatives[..., free] * weight[:, None]
        trust = counts * np.minimum(1.0, edge[:, None] / np.maximum(np.abs(residual), 1e-300))
        weighted = (jacobian * trust[..., None]).transpose(0, 2, 1)
        normal = weighted @ jacobian
        gradient = weighted @ residual[..., None]
        diagonal = np.einsum("bii->bi", normal)
        diagonal += damping[:, None] * diagonal + 1e-12
        step = np.linalg.solve(normal, gradient)[..., 0]
        trial = theta.copy()
        trial[:, free] += np.clip(step, -5, 5)
        trial[:, 0] = np.minimum(trial[:, 0], highest)
        trial_y, trial_derivatives = law(trial)
        trial_loss = _huber((target - trial_y) * weight, counts, edge)
        better = trial_loss < loss
        settled = np.all(np.abs(trial_loss - loss) <= 1e-13 * (1e-12 + loss))
        theta[better], loss[better] = trial[better], trial_loss[better]
        log_y[better], derivatives[better] = trial_y[better], trial_derivatives[better]
        damping = np.where(better, damping * 0.3, np.minimum(damping * 5, 1e12))
        if settled:
            break
    return theta, loss


def _huber(residual: Array, counts: Array, edge: Array) -> Array:
    """0.5 r^2, and beyond the edge the tangent; summed over the points of each row."""
    size = np.abs(residual)
    inside = np.minimum(size, edge[:, None])
    total: Array = (counts * inside * (size - 0.5 * inside)).sum(axis=1)
    return total


def information_criterion(residuals: Array, parameters: int) -> float:
    """AICc of normal residuals, their variance a parameter more; smaller is better, for the same points only."""
    n, k = len(residuals), parameters + 1
    if n <= k + 1:
        return float("inf")
    variance = max(float((residuals**2).mean()), 1e-300)
    return float(n * np.log(variance) + 2 * k + 2 * k * (k + 1) / (n - k - 1))


def percentiles(draws: Array, level: float = LEVEL) -> tuple[Array, Array]:
    """Central interval of bootstrap draws, along their first axis; NaN without draws."""
    if len(draws) == 0:
        empty = np.full(draws.shape[1:], np.nan)
        return empty, empty
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high
