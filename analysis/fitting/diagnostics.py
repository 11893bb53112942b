"""Checks of a power law: each that fails is a FailedCheck, kept in a set; its message is made for people and decides
nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

import numpy as np
import pandas as pd
from scipy import stats

from analysis.fitting.huber_regression import Array, percentiles

MIN_POINTS = 6
MIN_DECADES = 1.0
STRUCTURE = 0.01  # chance below which runs of one sign, or a bend, count as structure
LEFT = 4  # points beyond a law's parameters: with fewer no bend could be told from noise
RANK = 1e-6  # of the largest: what is smaller is no direction of its own
SCATTER = 5.0  # times the noise in squares: more cannot be a few per cent that an estimate of the noise is off


class FailedCheck(StrEnum):
    """A check that a law failed; the value is its name in `failed_checks` of fits.parquet. In the order of messages."""

    LEARNING_RATE_DECAYS = "learning_rate_decays"
    ZERO_ERRORS = "zero_errors"
    BELOW_BASELINE = "below_baseline"
    FEW_POINTS = "few_points"
    SHORT_RANGE = "short_range"
    CONSTANT = "constant"
    NO_INTERVAL = "no_interval"
    ZERO_EXPONENT = "zero_exponent"
    RISES = "rises"
    WIDE_INTERVAL = "wide_interval"
    BENDS = "bends"
    SCATTERS = "scatters"
    IRREDUCIBLE_UNDETERMINED = "irreducible_undetermined"
    OFFSET_TOO_LARGE = "offset_too_large"
    OFFSET_TOO_SMALL = "offset_too_small"


MESSAGES: Mapping[FailedCheck, str] = {
    FailedCheck.LEARNING_RATE_DECAYS: "the learning rate decays, which bends the trajectory",
    FailedCheck.ZERO_ERRORS: "steps whose error is 0 or not a number, which no law in logs can have: {count}",
    FailedCheck.BELOW_BASELINE: "errors fall below e_inf",
    FailedCheck.FEW_POINTS: "too few points: {count} of at least {needed}",
    FailedCheck.SHORT_RANGE: "x spans {decades:.2f} decades; at least {needed:g} is needed",
    FailedCheck.CONSTANT: "a constant describes the points as well",
    FailedCheck.NO_INTERVAL: "too few bootstrap replicates for an interval of alpha; 40 are needed",
    FailedCheck.ZERO_EXPONENT: "the interval of alpha, {low:.3f} to {high:.3f}, holds 0",
    FailedCheck.RISES: "y rises with x",
    FailedCheck.WIDE_INTERVAL: "the interval of alpha, {low:.3f} to {high:.3f}, is wider than alpha",
    FailedCheck.BENDS: "the residuals have structure (p = {p_value:.1g}): the points bend away from the law",
    FailedCheck.SCATTERS: "the points scatter by more than their noise (reduced chi-square {scatter:.1f})",
    FailedCheck.IRREDUCIBLE_UNDETERMINED: (
        "the interval of E, {low:.3g} to {high:.3g}, leaves irreducible error, offset and exponent undecided"
    ),
    FailedCheck.OFFSET_TOO_LARGE: (
        "the interval of x0 reaches its bound, the largest x: offset and exponent cannot be distinguished"
    ),
    FailedCheck.OFFSET_TOO_SMALL: (
        "the interval of x0 reaches its bound, minus the smallest x: the first points alone decide it"
    ),
}
AGAINST = frozenset({FailedCheck.CONSTANT, FailedCheck.RISES, FailedCheck.BENDS, FailedCheck.SCATTERS})
UNABLE = frozenset(
    {FailedCheck.FEW_POINTS, FailedCheck.SHORT_RANGE, FailedCheck.LEARNING_RATE_DECAYS, FailedCheck.ZERO_ERRORS}
)
Failures = dict[FailedCheck, str]  # each check that failed, with its message


def message(check: FailedCheck, **numbers: float) -> Failures:
    """One failed check with its message."""
    return {check: MESSAGES[check].format(**numbers)}


def reason_of(failures: Failures) -> str:
    """One text of all failed checks, for people; empty where none failed."""
    return "; ".join(failures.values())


def speaks_against(checks: Iterable[FailedCheck]) -> bool:
    """Whether failed checks are evidence against a law. Too few points, too short a range, a learning rate that decays
    and steps left out cannot tell, whatever else fails; nor can too wide an interval alone."""
    failed = frozenset(checks)
    return bool(failed & AGAINST) and not failed & UNABLE


def check_sets(fits: pd.DataFrame) -> pd.Series:
    """The failed checks of each row of a table of fits as a frozenset. Tables written before the column was there have
    empty sets: which checks failed is unknown, `trusted` and `reason` say what is known."""
    if "failed_checks" not in fits:
        return pd.Series([frozenset[FailedCheck]()] * len(fits), index=fits.index, dtype=object)
    sets = [frozenset(map(FailedCheck, () if names is None else names)) for names in fits["failed_checks"]]
    return pd.Series(sets, index=fits.index, dtype=object)


def rejection_reasons(
    residuals: Array,
    parameters: int,
    bend: float,
    decades: float,
    alpha: float,
    draws: Array,
    aicc: float,
    constant: float,
    scatter: float,
) -> Failures:
    """All checks that a fit fails.

    Args: residuals: independent ones, in order of x; parameters: of the law; bend: `curvature_p_value`; decades: that x
        spans; alpha, draws: the exponent and its bootstrap replicates; aicc, constant: of the law, and of a constant;
        scatter: reduced chi-square of the residuals (NaN where their noise is not known).
    """
    failed: Failures = {}
    if len(residuals) < (needed := max(MIN_POINTS, parameters + LEFT)):
        failed |= message(FailedCheck.FEW_POINTS, count=len(residuals), needed=needed)
    if decades < MIN_DECADES:
        failed |= message(FailedCheck.SHORT_RANGE, decades=decades, needed=MIN_DECADES)
    if aicc >= constant:
        failed |= message(FailedCheck.CONSTANT)
    low, high = map(float, percentiles(draws))
    failed |= message(FailedCheck.NO_INTERVAL) if np.isnan(low) else _of_exponent(alpha, low, high)
    if (p_value := min(runs_test(residuals), bend)) < STRUCTURE:
        failed |= message(FailedCheck.BENDS, p_value=p_value)
    if scatter > SCATTER:
        failed |= message(FailedCheck.SCATTERS, scatter=scatter)
    return failed


def _of_exponent(alpha: float, low: float, high: float) -> Failures:
    failed: Failures = {}
    if low <= 0 <= high:
        failed |= message(FailedCheck.ZERO_EXPONENT, low=low, high=high)
    elif alpha < 0:
        failed |= message(FailedCheck.RISES)
    if high - low > abs(alpha):
        failed |= message(FailedCheck.WIDE_INTERVAL, low=low, high=high)
    return failed


def curvature_p_value(residuals: Array, derivatives: Array, bend: Array, used: int) -> float:
    """Probability (t-test) of as large a part of `bend` in independent residuals, (n,), beside what the law's
    `derivatives`, (n, parameters), can follow, `used` parameters in all; 1 for a part smaller than the residuals left.

    Runs of one sign say nothing of a few points, and a bend in 8 of them is all that their residuals show.
    """
    basis, sizes, _ = np.linalg.svd(derivatives, full_matrices=False)
    basis = basis[:, sizes > RANK * sizes.max(initial=0.0)]
    rest, direction = (each - basis @ (basis.T @ each) for each in (residuals, bend))
    length, degrees = float(np.linalg.norm(direction)), len(residuals) - used - 1
    if degrees < 1 or length <= RANK * float(np.linalg.norm(bend)):
        return 1.0
    part = float(direction @ rest) / length
    left = max(float(rest @ rest) - part**2, 0.0) / degrees
    if part**2 <= len(residuals) * left:
        return 1.0
    return float(2 * stats.t.sf(abs(part) / np.sqrt(left), degrees)) if left > 0 else 0.0


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
