"""A fitted power law y = E + A (x + x0)^-alpha: what it says at any x, and how sure its parameters are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analysis.fitting.diagnostics import FailedCheck
from analysis.fitting.huber_regression import LEVEL, Array, percentiles

MANY = 10**6  # degrees of freedom, of a fit whose interval is not over runs
PARAMETERS = ("E", "A", "alpha", "x0")


@dataclass(frozen=True)
class PowerLawFit:
    """y = E + A (x + x0)^-alpha.

    `irreducible`: none, free or fixed, and `offset` likewise; `scale`: standard deviation of the residuals of log y;
    `chi_square`: squares of the residuals by the covariance of the points, over the degrees of freedom (NaN where no
    covariance was given); `aicc`: smaller is better, comparable among fits to the same points;
    `extrapolation_error`: root mean square relative error on the held-out largest x (NaN where none was held out);
    `failed_checks`: all that failed, with one `reason` for people; `valid`: none did.
    """

    E: float
    A: float
    alpha: float
    x0: float
    irreducible: str
    offset: str
    scale: float
    chi_square: float
    aicc: float
    points: int
    decades: float
    extrapolation_error: float
    failed_checks: frozenset[FailedCheck]
    reason: str
    _runs: int
    _center: float
    _replicates: Array  # (bootstrap, 4): E, log amplitude at the center, alpha, x0

    @property
    def valid(self) -> bool:
        """Whether the law passed every check."""
        return not self.failed_checks

    def predict(self, x: ArrayLike) -> Array:
        """The law at x."""
        u = np.log(np.asarray(x, float) + self.x0) - self._center
        values: Array = self.E + np.exp(np.log(self.A) - self.alpha * (self._center + u))
        return values

    def band(self, x: ArrayLike, level: float = LEVEL) -> tuple[Array, Array]:
        """Pointwise bootstrap interval of the law at x (of the curve, not of new measurements)."""
        return percentiles(self.curves(x), level)

    def curves(self, x: ArrayLike) -> Array:
        """(bootstrap, n): the law of each replicate at x."""
        E, a, alpha, x0 = (column[:, None] for column in self._replicates.T)
        with np.errstate(divide="ignore"):  # an x that a replicate's offset leaves nothing of: y there is infinite
            u = np.log(np.maximum(np.asarray(x, float) + x0, 0.0)) - self._center
        values: Array = E + np.exp(a - alpha * u)
        return values

    def interval(self, name: str, level: float = LEVEL) -> tuple[float, float]:
        """Bootstrap interval of `E`, `A`, `alpha` or `x0`; NaN for an E that is 0 in a fit of several runs, which
        do not say how much higher it may be."""
        if name == "E" and self.irreducible == "free" and self.E == 0 and self._runs > 1:
            return float("nan"), float("nan")
        low, high = percentiles(self.draws(name), level)
        return float(low), float(high)

    def draws(self, name: str) -> Array:
        """Bootstrap replicates of `E`, `A`, `alpha` or `x0`; for the difference of two fits see `difference`."""
        E, a, alpha, x0 = self._replicates.T
        if name not in PARAMETERS:
            raise ValueError(f"'{name}' is not a parameter; use E, A, alpha or x0")
        with np.errstate(over="ignore"):  # an amplitude that two runs leave open has no upper end
            draws: dict[str, Array] = {"E": E, "A": np.exp(a + alpha * self._center), "alpha": alpha, "x0": x0}
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
