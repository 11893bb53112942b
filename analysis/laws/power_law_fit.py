"""Power laws y = E + A x^(-alpha), fitted so that the numbers can be trusted, or saying why not.

Huber loss on the residuals of log y, as Hoffmann et al. 2022 (arXiv 2203.15556, appendix D.3). x is centred in
log space, so that compute of 1e9 and of 1e20 FLOPs are the same problem. Laws of several variables: `fit_joint`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.laws.huber import LEVEL, Array, huber_fits, information_criterion, log_floor, percentiles, product_law
from analysis.laws.resampling import block_resample, jackknife_draws, square_root, student_factor, whitened
from analysis.laws.trust import doubt

EXACT = 1e-6  # residuals of log y that are all below it are the solver's
MANY = 10**6  # degrees of freedom, of a fit whose interval is not over runs
NO_FLOOR = 1e-6  # of the smallest y: a fitted floor below it is 0


@dataclass(frozen=True)
class PowerLawFit:
    """y = E + A x^(-alpha). `scale`: standard deviation of the residuals of log y; `aicc`: smaller is better,
    comparable among fits to the same points; `extrapolation_error`: root mean square relative error on the
    held-out largest x (NaN where none was held out); `trusted` with a `reason` where not."""

    E: float
    A: float
    alpha: float
    floor: str
    scale: float
    aicc: float
    points: int
    decades: float
    extrapolation_error: float
    trusted: bool
    reason: str
    _runs: int
    _centre: float
    _replicates: Array  # (bootstrap, 3): E, log amplitude at the centre, alpha

    def predict(self, x: ArrayLike) -> Array:
        """The law at x."""
        u = np.log(np.asarray(x, float)) - self._centre
        amplitude = np.log(self.A) - self.alpha * self._centre
        values: Array = self.E + np.exp(amplitude - self.alpha * u)
        return values

    def band(self, x: ArrayLike, level: float = LEVEL) -> tuple[Array, Array]:
        """Pointwise bootstrap interval of the law at x (of the curve, not of new measurements)."""
        u = np.log(np.asarray(x, float)) - self._centre
        E, a, alpha = (column[:, None] for column in self._replicates.T)
        return percentiles(E + np.exp(a - alpha * u), level)

    def interval(self, name: str, level: float = LEVEL) -> tuple[float, float]:
        """Bootstrap interval of `E`, `A` or `alpha`; NaN for a floor that is 0 in a fit of several runs, which do
        not say how much higher it may be."""
        if name == "E" and self.floor == "free" and self.E == 0 and self._runs > 1:
            return float("nan"), float("nan")
        low, high = percentiles(self.draws(name), level)
        return float(low), float(high)

    def draws(self, name: str) -> Array:
        """Bootstrap replicates of `E`, `A` or `alpha`; for the difference of two fits see `difference`."""
        E, a, alpha = self._replicates.T
        if name not in ("E", "A", "alpha"):
            raise ValueError(f"'{name}' is not a parameter; use E, A or alpha")
        with np.errstate(over="ignore"):  # an amplitude that two runs leave open has no upper end
            draws: dict[str, Array] = {"E": E, "A": np.exp(a + alpha * self._centre), "alpha": alpha}
        return draws[name]


def difference(
    one: PowerLawFit, other: PowerLawFit, name: str = "alpha", level: float = LEVEL
) -> tuple[float, float, float]:
    """`one` less `other` in a parameter, with its interval: (difference, low, high).

    From bootstrap replicates, those of `other` shuffled: two fits with the same seed drew the same random numbers.
    Where a fit is of several runs, Welch's t: the sum of two draws of t would be too wide.
    """
    value = getattr(one, name) - getattr(other, name)
    freedoms = [fit._runs - 1 if fit._runs > 1 else MANY for fit in (one, other)]
    if min(freedoms) == MANY:
        shuffled = np.random.default_rng(1).permutation(other.draws(name))
        low, high = percentiles(one.draws(name)[: len(shuffled)] - shuffled[: len(one.draws(name))], level)
        return value, float(low), float(high)
    halves = [np.ptp(fit.interval(name, level)) / 2 for fit in (one, other)]
    quantile = (1 + level) / 2
    variances = np.array([half / stats.t.ppf(quantile, free) for half, free in zip(halves, freedoms, strict=True)]) ** 2
    freedom = variances.sum() ** 2 / max((variances**2 / freedoms).sum(), 1e-300)
    half = float(stats.t.ppf(quantile, freedom) * np.sqrt(variances.sum()))
    return value, value - half, value + half


def fit_power_law(
    x: ArrayLike,
    y: ArrayLike,
    *,
    floor: str | float = "none",
    covariance: ArrayLike | None = None,
    runs: ArrayLike | None = None,
    holdout: float = 0.0,
    bootstrap: int = 400,
    seed: int = 0,
) -> PowerLawFit:
    """Fit y = E + A x^(-alpha).

    Args:
        x, y: (n,) positive; x in any order.
        floor: `none` (E = 0), `free` (E >= 0 is fitted), or a number (E is that).
        covariance: (n, n) of log y. Points then count by their variances, and the bootstrap draws noise of this
            covariance, enlarged where the points scatter more than it says. Without it, all points count
            alike and residuals are resampled in blocks of neighbours.
        runs: (n,) label of the run (seed) that a point comes from. With two runs or more the intervals are those
            of the mean run, by Student's t over runs, whatever it is that differs between them; with one they
            count the noise within that run only.
        holdout: fraction of the points, those with the largest x, kept out of the fit and used for
            `extrapolation_error`.
        bootstrap: replicates behind the intervals.
        seed: of the bootstrap.

    Returns: PowerLawFit; `trusted` is False, with the reason, where the law should not be believed.

    Raises: ValueError for lengths that differ, values that are not positive and finite, fewer than 3 points,
        an unknown floor, or holdout outside [0, 1).
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    _check(x, y, floor, holdout)
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    kept = len(x) - round(holdout * len(x))
    if kept < 3:
        raise ValueError(f"{kept} points are left to fit; at least 3 are needed")
    known = None if covariance is None else _ordered(np.asarray(covariance, float), order)[:kept, :kept]
    labels = np.unique(np.zeros(kept) if runs is None else np.asarray(runs)[order][:kept], return_inverse=True)[1]
    spread = np.ones(kept) if known is None else np.sqrt(np.diag(known))
    weight = np.exp(np.log(spread).mean()) / spread  # 1 on geometric average
    centre = float(np.log(x[:kept]).mean())
    u, log_y = np.log(x[:kept]) - centre, np.log(y[:kept])
    fixed = None if floor == "free" else 0.0 if floor == "none" else float(floor)
    several = int(labels.max()) > 0
    law = product_law(u[:, None], None if fixed is None else log_floor(fixed, kept))

    def fit(targets: Array, starts: Array, counts: Array | None = None) -> Array:
        edge = np.inf if several else None  # a robust loss would call a whole run an outlier
        return huber_fits(
            law, targets, starts, weight=weight, counts=counts, threshold=edge, fixed_floor=fixed is not None
        )[0]

    best = fit(log_y[None], _starts(u, log_y, fixed))[0]
    fitted = law(best[None])[0][0]
    free = 3 if fixed is None else 2
    replicates = _replicates(fit, best, fitted, log_y, weight, known, labels, max(1, kept - free), bootstrap, seed)
    if fixed is None:
        E, replicates[:, 0] = float(_floor(best[0], log_y)), _floor(replicates[:, 0], log_y)
    else:
        E, replicates[:, 0] = fixed, fixed

    residuals = (log_y - fitted) * weight
    decades = float(np.log10(x[kept - 1] / x[0]))
    aicc = information_criterion(residuals, free)
    constant = information_criterion((log_y - np.average(log_y, weights=weight**2)) * weight, 1)
    rest = log_y - fitted if np.abs(log_y - fitted).max() > EXACT else np.zeros(kept)
    independent = whitened(rest, u, known, weight, labels)
    reason = doubt(independent, decades, best[2], replicates[:, 2], aicc, constant)
    held = (E + np.exp(best[1] - best[2] * (np.log(x[kept:]) - centre))) / y[kept:] - 1
    return PowerLawFit(
        E=E,
        A=float(np.exp(best[1] + best[2] * centre)),
        alpha=float(best[2]),
        floor=floor if isinstance(floor, str) else "fixed",
        scale=float(np.sqrt((residuals**2).sum() / max(1, kept - free))),
        aicc=aicc,
        points=kept,
        decades=decades,
        extrapolation_error=float(np.sqrt((held**2).mean())) if len(held) else float("nan"),
        trusted=reason == "",
        reason=reason,
        _runs=int(labels.max()) + 1,
        _centre=centre,
        _replicates=replicates,
    )


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
    """Bootstrap replicates (bootstrap, 3) of the parameters, by what is known of the noise."""
    rng, kept = np.random.default_rng(seed), len(log_y)
    if (count := int(labels.max()) + 1) > 1:
        without = (labels[None] != np.arange(count)[:, None]).astype(float)
        one_out = fit(np.repeat(log_y[None], count, axis=0), best[None], without)
        return jackknife_draws(best, one_out, bootstrap, rng)
    residuals = (log_y - fitted) * weight
    if known is None:
        noise, wide = block_resample(residuals * np.sqrt(kept / degrees), bootstrap, rng), student_factor(degrees)
    else:  # the points' own scatter counts only where it exceeds what their covariance says
        scatter = np.sqrt((residuals**2).sum() / degrees) / np.exp(np.log(np.diag(known)).mean() / 2)
        noise = max(1.0, scatter) * rng.standard_normal((bootstrap, kept)) @ square_root(known)
        wide = student_factor(degrees) if scatter > 1 else 1.0
    replicates: Array = best + wide * (fit(fitted + noise, best[None]) - best)
    return replicates


def _floor(log_E: Array, log_y: Array) -> Array:
    """E of its logarithm; one far below all points is none."""
    level = np.exp(np.minimum(log_E, log_y.min() + 1))
    floor: Array = np.where(level < NO_FLOOR * np.exp(log_y.min()), 0.0, level)
    return floor


def _check(x: Array, y: Array, floor: str | float, holdout: float) -> None:
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"x and y must be lists of one length; they have shapes {x.shape} and {y.shape}")
    if not (np.all(np.isfinite(x) & (x > 0)) and np.all(np.isfinite(y) & (y > 0))):
        raise ValueError("x and y must be positive and finite")
    if not 0 <= holdout < 1:
        raise ValueError(f"holdout is {holdout}; it must lie in [0, 1)")
    if isinstance(floor, str) and floor not in ("none", "free"):
        raise ValueError(f"floor '{floor}' is unknown; use none, free, or a number")


def _starts(u: Array, log_y: Array, fixed: float | None) -> Array:
    """Least squares in log-log after subtracting each of several floors."""
    lowest = np.exp(log_y.min())
    floors = [fixed] if fixed is not None else [lowest * share for share in (1e-6, 0.3, 0.6, 0.8, 0.9, 0.97)]
    starts = []
    for level in floors:
        above = np.log(np.maximum(np.exp(log_y) - level, 1e-3 * lowest))
        slope, amplitude = np.polyfit(u, above, 1)
        starts.append((np.log(level) if fixed is None else 0.0, amplitude, -slope))
    return np.array(starts)


def _ordered(covariance: Array, order: NDArray[np.int64]) -> Array:
    if covariance.shape != (len(order), len(order)) or not np.all(np.diag(covariance) > 0):
        raise ValueError(f"covariance must be ({len(order)}, {len(order)}) with positive variances")
    ordered: Array = covariance[np.ix_(order, order)]
    return ordered
