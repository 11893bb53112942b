"""Power laws y = E + A (x + x0)^-alpha, with the checks that each fit failed.

Huber loss on the residuals of log y, as Hoffmann et al. 2022 (arXiv 2203.15556, appendix D.3). x is centered in
log space, and the offset x0 counts in units of the smallest x, so that compute of 1e9 and of 1e20 FLOPs are the same
problem. Laws of several variables: `fit_joint`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.fitting.diagnostics import FailedCheck, Failures, curvature_p_value, message, reason_of, rejection_reasons
from analysis.fitting.forecast.blas_threads import on_one_thread
from analysis.fitting.functional_forms import log_irreducible, offset_law
from analysis.fitting.huber_regression import (
    HUBER,
    Array,
    huber_fits,
    information_criterion,
    percentiles,
    require_replicates,
)
from analysis.fitting.power_law import PowerLawFit, difference
from analysis.fitting.resampling import (
    about_own_lines,
    block_resample,
    independent,
    jackknife_draws,
    square_root,
    student_factor,
)

__all__ = ["PowerLawFit", "difference", "fit_power_law"]

EXACT = 1e-6  # residuals of log y that are all below it are the solver's
NO_IRREDUCIBLE = 1e-6  # of the smallest y: a fitted irreducible error below it is 0
WIDEST = 0.5  # interval of an irreducible error beside an offset, over its upper end
NEAREST = 0.05  # of the smallest x: as close as x0 comes to minus it
TAIL = 0.025  # of the replicates at a bound: the interval reaches it
STARTS = (0.3, 1.0, 4.0, 15.0)  # (x0 + min x) / min x of the first guesses


@on_one_thread
def fit_power_law(
    x: ArrayLike,
    y: ArrayLike,
    *,
    irreducible: str | float = "none",
    offset: str | float = "none",
    covariance: ArrayLike | None = None,
    runs: ArrayLike | None = None,
    holdout: float = 0.0,
    bootstrap: int = 400,
    seed: int = 0,
) -> PowerLawFit:
    """Fit y = E + A (x + x0)^-alpha.

    Args:
        x, y: (n,) positive; x in any order.
        irreducible: `none` (E = 0), `free` (E >= 0 is fitted), or a number (E is that).
        offset: `none` (x0 = 0), `free` (x0 is fitted, between -0.95 min x and max x), or a number (x0 is that; above
            -min x).
        covariance: (n, n) of log y. Points then count by their variances, and the bootstrap draws noise of this
            covariance, enlarged where the points scatter more than it says. Without it, all points count
            alike and residuals are resampled in blocks of neighbors.
        runs: (n,) label of the run (seed) that a point comes from. With two runs or more the intervals are those
            of the mean run, by Student's t over runs, whatever it is that differs between them; with one they
            count the noise within that run only.
        holdout: fraction of the points, those with the largest x, kept out of the fit and used for
            `extrapolation_error`.
        bootstrap: replicates behind the intervals; of fewer than 40 there are none.
        seed: of the bootstrap.

    Returns: PowerLawFit; `failed_checks` has all checks that the law failed, and `reason` says them in a sentence.

    Raises: ValueError for lengths that differ, values that are not positive and finite, fewer points than parameters
        (at least 3), x that does not vary, an unknown form, an irreducible error above all points, an offset of
        -min x or less, holdout outside [0, 1), or a negative bootstrap.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    _check(x, y, irreducible, offset, holdout)
    require_replicates(bootstrap)
    if runs is not None and np.shape(runs) != x.shape:
        raise ValueError(f"runs must be one label per point; they have shapes {np.shape(runs)} and {x.shape}")
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    kept = len(x) - round(holdout * len(x))
    free = 2 + (irreducible == "free") + (offset == "free")
    if kept < max(3, free):
        raise ValueError(f"{kept} points are left to fit; at least {max(3, free)} are needed")
    if x[0] == x[kept - 1]:
        raise ValueError(f"x is {x[0]:g} at all points that are fitted; a law needs several")
    known = None if covariance is None else _ordered(np.asarray(covariance, float), order)[:kept, :kept]
    labels = np.unique(np.zeros(kept) if runs is None else np.asarray(runs)[order][:kept], return_inverse=True)[1]
    spread = np.ones(kept) if known is None else np.sqrt(np.diag(known))
    weight = np.exp(np.log(spread).mean()) / spread  # 1 on geometric average
    center = float(np.log(x[:kept]).mean())
    log_y = np.log(y[:kept])
    fixed = None if irreducible == "free" else 0.0 if irreducible == "none" else float(irreducible)
    shift = None if offset == "free" else 0.0 if offset == "none" else float(offset)
    law = offset_law(x[:kept], center, None if fixed is None else log_irreducible(fixed, kept))
    low, high = _bounds(x[:kept], log_y, fixed, shift)

    def fit(targets: Array, starts: Array, threshold: float | None, counts: Array | None = None) -> Array:
        return huber_fits(law, targets, starts, weight=weight, counts=counts, threshold=threshold, low=low, high=high)[
            0
        ]

    several = int(labels.max()) > 0
    threshold = np.inf if several else None  # a robust loss would call a whole run an outlier
    best = fit(log_y[None], _starts(x[:kept], log_y, center, fixed, low[3], high[3]), threshold)[0]
    fitted = law(best[None])[0][0]
    if threshold is None:  # replicates are told what residuals are usual; each finding it anew takes twice the time
        threshold = HUBER * max(1.4826 * float(np.median(np.abs((log_y - fitted) * weight))), 1e-9)
    again = partial(fit, starts=best[None], threshold=threshold)
    replicates = _replicates(again, best, fitted, log_y, weight, known, labels, max(1, kept - free), bootstrap, seed)
    tied = _tied(replicates, low, high, log_y)
    replicates[:, 3] = np.clip(replicates[:, 3], low[3], high[3])
    thetas = np.concatenate([best[None], replicates])
    thetas[:, 3] = shift if shift is not None else x[0] * np.expm1(thetas[:, 3])
    thetas[:, 0] = fixed if fixed is not None else _floor(thetas[:, 0], log_y)
    E, a, alpha, x0 = thetas[0].tolist()

    residuals = (log_y - fitted) * weight
    decades = float(np.log10(x[kept - 1] / x[0]))
    aicc = information_criterion(residuals**2, free)
    constant = information_criterion(((log_y - np.average(log_y, weights=weight**2)) * weight) ** 2, 1)
    rest = log_y - fitted if np.abs(log_y - fitted).max() > EXACT else np.zeros(kept)

    def apart(values: Array) -> Array:
        return independent(about_own_lines(values, np.log(x[:kept]), weight, labels), known, labels)

    within = apart(rest)
    lines = 2 * (int(labels.max()) + 1) if several else 0  # parameters of the runs' own lines
    scatter = _reduced(within, max(free, lines), known)
    derivatives = law(best[None])[1][0][:, [low[i] < high[i] for i in range(4)]]
    bend = curvature_p_value(
        within,
        np.stack([apart(column) for column in derivatives.T], axis=1),
        apart((np.log(x[:kept]) - center) ** 2),
        max(free, lines),
    )
    failed = rejection_reasons(within, free, bend, decades, alpha, thetas[1:, 2], aicc, constant, scatter) | tied
    fit_of = PowerLawFit(
        E=E,
        A=float(np.exp(a + alpha * center)),
        alpha=alpha,
        x0=x0,
        irreducible=irreducible if isinstance(irreducible, str) else "fixed",
        offset=offset if isinstance(offset, str) else "fixed",
        scale=float(np.sqrt((residuals**2).sum() / max(1, kept - free))),
        chi_square=_reduced(independent(rest, known, labels), free, known),
        aicc=aicc,
        points=kept,
        decades=decades,
        extrapolation_error=float("nan"),
        failed_checks=frozenset(failed),
        reason=reason_of(failed),
        _runs=int(labels.max()) + 1,
        _center=center,
        _replicates=thetas[1:],
    )
    if kept == len(x):
        return fit_of
    missed = fit_of.predict(x[kept:]) / y[kept:] - 1
    return replace(fit_of, extrapolation_error=float(np.sqrt((missed**2).mean())))


def _reduced(residuals: Array, parameters: int, known: Array | None) -> float:
    """Reduced chi-square of independent residuals; NaN where their noise is not known."""
    degrees = len(residuals) - parameters
    return float((residuals**2).sum() / degrees) if known is not None and degrees > 0 else float("nan")


def _replicates(
    fit: Callable[..., Array],
    best: Array,
    fitted: Array,
    log_y: Array,
    weight: Array,
    known: Array | None,
    labels: NDArray[np.int64],
    degrees: int,
    bootstrap: int,
    seed: int,
) -> Array:
    """Bootstrap replicates (bootstrap, 4) of the parameters, by what is known of the noise."""
    rng, kept = np.random.default_rng(seed), len(log_y)
    if (count := int(labels.max()) + 1) > 1:
        without = (labels[None] != np.arange(count)[:, None]).astype(float)
        one_out = fit(np.repeat(log_y[None], count, axis=0), counts=without)
        return jackknife_draws(best, one_out, bootstrap, rng)
    residuals = (log_y - fitted) * weight
    if known is None:
        noise, wide = block_resample(residuals * np.sqrt(kept / degrees), bootstrap, rng), student_factor(degrees)
    else:  # the points' own scatter counts only where it exceeds what their covariance says
        scatter = np.sqrt((residuals**2).sum() / degrees) / np.exp(np.log(np.diag(known)).mean() / 2)
        noise = max(1.0, scatter) * rng.standard_normal((bootstrap, kept)) @ square_root(known)
        wide = student_factor(degrees) if scatter > 1 else 1.0
    replicates: Array = best + wide * (fit(fitted + noise) - best)
    return replicates


def _tied(theta: Array, low: Array, high: Array, log_y: Array) -> Failures:
    """Why the offset of the replicates `theta` is not determined; empty where it is, or is known."""
    failed: Failures = {}
    if low[3] == high[3] or len(theta) == 0:
        return failed
    if low[0] < high[0]:
        ends = percentiles(_floor(theta[:, 0], log_y))
        if ends[1] - ends[0] >= WIDEST * ends[1]:  # 0 to 0 too: replicates of a fit without one find none
            failed |= message(FailedCheck.IRREDUCIBLE_UNDETERMINED, low=float(ends[0]), high=float(ends[1]))
    if (theta[:, 3] >= high[3]).mean() > TAIL:
        failed |= message(FailedCheck.OFFSET_TOO_LARGE)
    if (theta[:, 3] <= low[3]).mean() > TAIL:
        failed |= message(FailedCheck.OFFSET_TOO_SMALL)
    return failed


def _floor(log_E: Array, log_y: Array) -> Array:
    """E of its logarithm; one far below all points is none."""
    level = np.exp(np.minimum(log_E, log_y.min() + 1))
    irreducible: Array = np.where(level < NO_IRREDUCIBLE * np.exp(log_y.min()), 0.0, level)
    return irreducible


def _check(x: Array, y: Array, irreducible: str | float, offset: str | float, holdout: float) -> None:
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"x and y must be lists of one length; they have shapes {x.shape} and {y.shape}")
    if not (np.all(np.isfinite(x) & (x > 0)) and np.all(np.isfinite(y) & (y > 0))):
        raise ValueError("x and y must be positive and finite")
    if not 0 <= holdout < 1:
        raise ValueError(f"holdout is {holdout}; it must lie in [0, 1)")
    for name, value in (("irreducible", irreducible), ("offset", offset)):
        if isinstance(value, str) and value not in ("none", "free"):
            raise ValueError(f"{name} '{value}' is unknown; use none, free, or a number")
        if isinstance(value, bool) or not isinstance(value, str | int | float | np.number):
            raise ValueError(f"{name} is {value}; use none, free, or a number")
        if not isinstance(value, str) and not np.isfinite(value):
            raise ValueError(f"{name} is {value}; it must be finite")
    if not isinstance(irreducible, str) and irreducible < 0:
        raise ValueError(f"irreducible is {irreducible}; it must not be negative")
    if not isinstance(irreducible, str) and len(y) and irreducible >= y.max():
        raise ValueError(f"irreducible is {irreducible}; all points lie below it, the largest at {y.max():g}")
    if not isinstance(offset, str) and len(x) and offset <= -x.min():
        raise ValueError(f"offset is {offset}; it must be above minus the smallest x, {-x.min():g}")


def _bounds(x: Array, log_y: Array, fixed: float | None, shift: float | None) -> tuple[Array, Array]:
    """Of theta, see `offset_law`; equal where a parameter is known."""
    low, high = np.full(4, -np.inf), np.full(4, np.inf)
    low[0], high[0] = (0.0, 0.0) if fixed is not None else (-np.inf, log_y.min() + 1)
    known = None if shift is None else np.log1p(shift / x[0])
    low[3], high[3] = (np.log(NEAREST), np.log1p(x[-1] / x[0])) if known is None else (known, known)
    return low, high


def _starts(x: Array, log_y: Array, center: float, fixed: float | None, low: float, high: float) -> Array:
    """Least squares in log-log after subtracting each of several E from y, and adding several offsets to x."""
    lowest = np.exp(log_y.min())
    irreducible_errors = (
        [fixed] if fixed is not None else [lowest * share for share in (1e-6, 0.3, 0.6, 0.8, 0.9, 0.97)]
    )
    offsets = [low] if low == high else [t for t in np.log(STARTS) if t < high]
    starts = []
    for level in irreducible_errors:
        above = np.log(np.maximum(np.exp(log_y) - level, 1e-3 * lowest))
        for t in offsets:
            slope, amplitude = np.polyfit(np.log(x + x[0] * np.expm1(t)) - center, above, 1)
            starts.append((np.log(level) if fixed is None else 0.0, amplitude, -slope, t))
    return np.array(starts)


def _ordered(covariance: Array, order: NDArray[np.int64]) -> Array:
    if covariance.shape != (len(order), len(order)) or not np.all(np.diag(covariance) > 0):
        raise ValueError(f"covariance must be ({len(order)}, {len(order)}) with positive variances")
    ordered: Array = covariance[np.ix_(order, order)]
    return ordered
