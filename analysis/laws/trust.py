"""Reasons not to believe a power law."""

from __future__ import annotations

import numpy as np
from scipy import stats

from analysis.laws.huber import Array, percentiles

MIN_POINTS = 6
MIN_DECADES = 1.0
STRUCTURE = 0.01  # chance below which runs of one sign count as structure
SCATTER = 5.0  # times the noise in squares: more cannot be a few per cent that an estimate of the noise is off


def doubt(
    residuals: Array, decades: float, alpha: float, draws: Array, aicc: float, constant: float, scatter: float
) -> str:
    """Why a fit should not be trusted; empty where it may be.

    Args: residuals: independent ones, in order of x; decades: that x spans; alpha, draws: the exponent and its
        bootstrap replicates; aicc, constant: of the law, and of a constant; scatter: reduced chi-square of the
        residuals (NaN where their noise is not known).
    """
    if len(residuals) < MIN_POINTS:
        return f"only {len(residuals)} points; at least {MIN_POINTS} are needed"
    if decades < MIN_DECADES:
        return f"x spans {decades:.2f} decades; at least {MIN_DECADES:g} is needed"
    if aicc >= constant:
        return "a constant describes the points as well"
    if len(draws) == 0:
        return "no bootstrap replicates, so alpha has no interval"
    low, high = percentiles(draws)
    if low <= 0 <= high:
        return f"the interval of alpha, {low:.3f} to {high:.3f}, holds 0"
    if alpha < 0:
        return "y rises with x"
    if high - low > alpha:
        return f"the interval of alpha, {low:.3f} to {high:.3f}, is wider than alpha"
    if (chance := runs_test(residuals)) < STRUCTURE:
        return f"the residuals have structure (runs test, p = {chance:.1g}): the points bend away from the law"
    if scatter > SCATTER:
        return f"the points scatter about the law by more than their noise (reduced chi-square {scatter:.1f})"
    return ""


def runs_test(residuals: Array) -> float:
    """Probability of as few runs of one sign among independent residuals (Wald and Wolfowitz 1940)."""
    positive = residuals > 0
    n, p = len(residuals), int(positive.sum())
    q = n - p
    if min(p, q) < 2:
        return 1.0
    runs = 1 + int((positive[1:] != positive[:-1]).sum())
    mean = 2 * p * q / n + 1
    variance = (mean - 1) * (mean - 2) / (n - 1)
    return float(stats.norm.cdf((runs + 0.5 - mean) / np.sqrt(variance))) if variance > 0 else 1.0
