"""Power laws of several variables: y = E + sum_i A_i x_i^(-alpha_i), and y = E + A prod_i x_i^(-alpha_i).

The first is Hoffmann et al. 2022 (arXiv 2203.15556, eq. 2), the second one law of steps, P, D and K for a whole
grid, in which the steps may have an offset s0 prod_j z_j^(s_j) that depends on P, D and K too. Intervals come from
resampling groups of points (cells) with replacement, so that they hold although the points of one cell share its
deviations, and although the law is only an approximation.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.optimize import nnls

from analysis.fitting.forecast.blas_threads import on_one_thread
from analysis.fitting.functional_forms import log_irreducible, product_law, sum_law
from analysis.fitting.huber_regression import (
    HUBER,
    LEVEL,
    Array,
    Law,
    group_criterion,
    huber_fits,
    information_criterion,
    percentiles,
    require_replicates,
)

NEAR = 10  # iterations of a multiplicative law's replicates, which begin at the best fit
STARTS = 8  # of an additive law, the best guesses of its exponents
FORMS = ("additive", "multiplicative")
OFFSETS = (0.3, 3.0, 20.0)  # first guesses of the offset, in units of the smallest x
NO_OFFSET, STEEPEST = -30.0, 5.0  # bounds of an offset's logarithm over the center of x, and of its exponents
Columns = Mapping[str, ArrayLike]


@dataclass(frozen=True)
class JointFit:
    """A law of several variables. `E`: the irreducible error (NaN where it was given point by point); `A` and `alpha`
    by column name (a multiplicative law has one amplitude, under the name of each column); `s0` and `s`: the offset of
    the first column at 1, and its exponents by column name (NaN and empty without one); `scale`: standard deviation of
    the residuals of log y; `aicc` as in PowerLawFit, `bic` the same by groups instead of points (see
    `group_criterion`); `points`, `groups`: how many were fitted."""

    form: str
    E: float
    A: dict[str, float]
    alpha: dict[str, float]
    s0: float
    s: dict[str, float]
    scale: float
    aicc: float
    bic: float
    points: int
    groups: int
    _center: Array = field(repr=False)
    _theta: Array = field(repr=False)
    _replicates: Array = field(repr=False)  # (bootstrap, parameters), as theta
    _deviations: Array = field(repr=False)  # (bootstrap,) of a new group's log y from the law
    _fixed: float | None = field(repr=False)
    _offset: tuple[str, ...] | None = field(repr=False)

    def predict(self, columns: Columns, *, irreducible: ArrayLike | None = None) -> Array:
        """The law at the given columns, (n,); `irreducible`, (n,), where E was given point by point."""
        values: Array = np.exp(self._law(columns, irreducible)(self._theta[None])[0][0])
        return values

    def band(
        self, columns: Columns, *, irreducible: ArrayLike | None = None, level: float = LEVEL
    ) -> tuple[Array, Array]:
        """Pointwise bootstrap interval of the law."""
        return percentiles(self.curves(columns, irreducible=irreducible), level)

    def forecast(
        self, columns: Columns, *, irreducible: ArrayLike | None = None, level: float = LEVEL
    ) -> tuple[Array, Array]:
        """Interval for what a new run will measure: that of the law, and how far runs lie from it."""
        above = self.curves(columns, irreducible=irreducible) * np.exp(self._deviations)[:, None]
        return percentiles(above, level)

    def curves(self, columns: Columns, *, irreducible: ArrayLike | None = None) -> Array:
        """(bootstrap, n): the law of each replicate."""
        values: Array = np.exp(self._law(columns, irreducible)(self._replicates)[0])
        return values

    def interval(self, name: str, column: str | None = None, level: float = LEVEL) -> tuple[float, float]:
        """Bootstrap interval of `E` or `s0`, or of `A`, `alpha` or `s` of a column."""
        low, high = percentiles(self.draws(name, column), level)
        return float(low), float(high)

    def draws(self, name: str, column: str | None = None) -> Array:
        """Bootstrap replicates of `E` or `s0`, or of `A`, `alpha` or `s` of a column."""
        if name == "E":
            draws: Array = np.exp(self._replicates[:, 0])
            return draws if self._fixed is None else np.full_like(draws, self._fixed)
        if self._offset is not None and (name == "s0" or (name == "s" and column in self.s)):
            s0, s = _offsets(self._replicates, list(self.alpha), self._offset, self._center)
            offset: Array = s0 if name == "s0" else s[:, list(self.s).index(str(column))]
            return offset
        if name not in ("A", "alpha") or column not in self.alpha:
            known = ", ".join(self.alpha)
            raise ValueError(f"'{name}' of '{column}' is not a parameter; use E, or A or alpha of one of {known}")
        amplitude, alpha = _parameters(self._replicates, self.form, self._center)
        at = list(self.alpha).index(column)
        chosen: Array = (amplitude if name == "A" else alpha)[:, at]
        return chosen

    def _law(self, columns: Columns, irreducible: ArrayLike | None) -> Law:
        if missing := [name for name in self.alpha if name not in columns]:
            raise ValueError(f"the law needs a column {missing[0]}; it is one of {', '.join(self.alpha)}")
        if np.isnan(self.E) and irreducible is None:
            raise ValueError(
                "this law was fitted with an irreducible error for each point; give those of the new points"
            )
        u = np.stack([np.log(np.atleast_1d(np.asarray(columns[name], float))) for name in self.alpha], axis=1)
        level = self._fixed if irreducible is None else irreducible
        return _law(self.form, u - self._center, level, list(self.alpha), self._offset)


@on_one_thread
def fit_joint(
    columns: Columns,
    y: ArrayLike,
    *,
    form: str = "additive",
    irreducible: str | ArrayLike = "free",
    offset: Sequence[str] | None = None,
    known: Mapping[str, float] | None = None,
    groups: ArrayLike | None = None,
    huber: float | None = None,
    bootstrap: int = 400,
    seed: int = 0,
) -> JointFit:
    """Fit y = E + sum_i A_i x_i^(-alpha_i) (`additive`) or y = E + A prod_i x_i^(-alpha_i) (`multiplicative`).

    Args:
        columns: name -> (n,) positive values.
        y: (n,) positive.
        irreducible: the error E: `none`, `free`, a number, or (n,) known ones of the points.
        offset: of a multiplicative law: the first column x becomes x + s0 prod_j z_j^(s_j) over these of the other
            columns (empty: x + s0). Default: no offset.
        known: of a multiplicative law: column -> its exponent, where that is not to be fitted.
        groups: (n,) labels; points of one group (a run's trajectory) are resampled together. Default: each
            point is its own group.
        huber: where the loss on residuals of log y turns from squares to absolute values; Hoffmann et al. use
            1e-3. Default: 1.345 times the residuals' spread.
        bootstrap: replicates (of fewer than 40 there are no intervals); seed: of their resampling.

    Raises: ValueError for lengths that differ, values that are not positive and finite, an unknown form or
        irreducible error, an offset that cannot be, fewer groups than parameters, or columns whose logarithms depend on
        each other linearly.
    """
    names = list(columns)
    y = np.asarray(y, float)
    given = dict(known or {})
    values = _checked([np.asarray(columns[name], float) for name in names], names, y, form, given)
    require_replicates(bootstrap)
    if huber is not None and not huber > 0:
        raise ValueError(f"huber is {huber}; it must be positive")
    if groups is not None and np.shape(groups) != y.shape:
        raise ValueError(f"groups must be one label per point; they have shapes {np.shape(groups)} and {y.shape}")
    labels = np.arange(len(y)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    fixed = _fixed_floor(irreducible, y)
    log_x = np.log(values)
    center, log_y = log_x.mean(axis=0), np.log(y)
    shift = None if offset is None else _offset_columns(offset, names, form)
    law = _law(form, log_x - center, fixed, names, shift)
    parameters = (2 * len(names) if form == "additive" else 1 + len(names)) + (fixed is None)
    parameters += (0 if shift is None else 1 + len(shift)) - len(given)
    count = int(labels.max()) + 1
    if count <= parameters:
        raise ValueError(f"too few groups of points (cells, in a sweep): {count} for {parameters} parameters")

    def fit(targets: Array, starts: Array, counts: Array | None, threshold: float | None, iterations: int) -> Array:
        return huber_fits(law, targets, starts, counts=counts, threshold=threshold, low=low, high=high,
                          iterations=iterations)[0]  # fmt: skip

    starts = _starts(log_x - center, y, form, fixed, shift)
    low, high = _bounds(starts.shape[1], log_y, fixed, len(names), shift)
    for name, exponent in given.items():
        low[2 + names.index(name)] = high[2 + names.index(name)] = exponent
    patience = 300 if huber else 60
    best = fit(log_y[None], starts, None, huber, patience)[0]
    residuals = log_y - law(best[None])[0][0]
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, count, (bootstrap, count))
    multiplicity = np.stack([np.bincount(row, minlength=count) for row in drawn]) if bootstrap else np.zeros((0, count))
    spread = huber or HUBER * max(1.4826 * float(np.median(np.abs(residuals))), 1e-9)
    counts = multiplicity[:, labels].astype(float)
    near = patience if form == "additive" else NEAR
    replicates = fit(np.repeat(log_y[None], bootstrap, 0), best[None], counts, spread, near)
    few = stats.t.ppf(0.975, count - parameters) / stats.norm.ppf(0.975)
    replicates[:, 1:] = np.clip(best[1:] + few * (replicates[:, 1:] - best[1:]), low[1:], high[1:])
    amplitude, alpha = _parameters(best[None], form, center)
    chance = 1 / (count * np.bincount(labels)[labels])  # each group alike, then each of its points
    pointwise = fixed is not None and np.ndim(fixed) > 0
    s0, s = _offsets(best[None], names, shift, center) if shift is not None else (np.full(1, np.nan), np.empty((1, 0)))
    return JointFit(
        form=form,
        E=float(np.exp(best[0])) if fixed is None else float("nan") if pointwise else float(fixed),
        A=dict(zip(names, amplitude[0].tolist(), strict=True)),
        alpha=dict(zip(names, alpha[0].tolist(), strict=True)),
        s0=float(s0[0]),
        s=dict(zip(shift or (), s[0].tolist(), strict=True)),
        scale=float(np.sqrt((residuals**2).sum() / max(1, len(y) - parameters))),
        aicc=information_criterion(residuals**2, parameters),
        bic=group_criterion(np.bincount(labels, residuals**2) / np.bincount(labels), parameters),
        points=len(y),
        groups=count,
        _center=center,
        _theta=best,
        _replicates=replicates,
        _deviations=rng.choice(residuals * np.sqrt(count / (count - parameters)), bootstrap, p=chance),
        _fixed=None if pointwise or fixed is None else float(fixed),
        _offset=shift,
    )


def _law(form: str, u: Array, level: ArrayLike | None, names: list[str], offset: tuple[str, ...] | None) -> Law:
    log_E = None if level is None else log_irreducible(level, len(u))
    if form == "additive":
        return sum_law(u, log_E)
    return product_law(u, log_E, None if offset is None else u[:, [names.index(name) for name in offset]])


def _offset_columns(offset: Sequence[str], names: list[str], form: str) -> tuple[str, ...]:
    if form != "multiplicative":
        raise ValueError("only a multiplicative law has an offset")
    if unknown := [name for name in offset if name not in names[1:]]:
        raise ValueError(f"the offset cannot depend on {unknown[0]}; use columns beside the first, {names[0]}")
    return tuple(offset)


def _offsets(theta: Array, names: list[str], offset: tuple[str, ...], center: Array) -> tuple[Array, Array]:
    """s0, (B,), and the exponents of the offset, (B, m), of x itself instead of x over its center."""
    tail = theta[:, 2 + len(names) :]
    at = center[[names.index(name) for name in offset]]
    s0: Array = np.exp(tail[:, 0] + center[0] - tail[:, 1:] @ at)
    return s0, tail[:, 1:]


def _bounds(
    count: int, log_y: Array, fixed: Array | None, columns: int, offset: tuple[str, ...] | None
) -> tuple[Array, Array]:
    low, high = np.full(count, -np.inf), np.full(count, np.inf)
    low[0], high[0] = (-np.inf, log_y.min() + 1) if fixed is None else (0.0, 0.0)
    if offset is not None:
        low[2 + columns], high[2 + columns] = NO_OFFSET, -NO_OFFSET
        low[3 + columns :], high[3 + columns :] = -STEEPEST, STEEPEST
    return low, high


def _checked(columns: list[Array], names: list[str], y: Array, form: str, known: Mapping[str, float]) -> Array:
    """The columns as (n, k)."""
    if form not in FORMS:
        raise ValueError(f"form '{form}' is unknown; use additive or multiplicative")
    if known and (form == "additive" or set(known) - set(names[1:])):
        raise ValueError("known exponents are those of columns of a multiplicative law, beside the first")
    if not names or y.ndim != 1 or any(column.shape != y.shape for column in columns):
        raise ValueError(f"columns must be lists as long as y, which has shape {y.shape}")
    values = np.stack(columns, axis=1)
    if not (np.all(np.isfinite(values) & (values > 0)) and np.all(np.isfinite(y) & (y > 0))):
        raise ValueError("columns and y must be positive and finite")
    fitted = [name for name in names if name not in known]
    logs = np.log(values[:, [names.index(name) for name in fitted]])
    if np.linalg.matrix_rank(np.column_stack([np.ones(len(y)), logs - logs.mean(0)])) <= len(fitted):
        raise ValueError(
            f"the logarithms of {', '.join(fitted)} depend on each other linearly (one is constant, or they vary "
            "together), so their exponents cannot be distinguished; leave one out"
        )
    return values


def _fixed_floor(irreducible: str | ArrayLike, y: Array) -> Array | None:
    if isinstance(irreducible, str):
        if irreducible not in ("none", "free"):
            raise ValueError(f"irreducible '{irreducible}' is unknown; use none, free, a number, or one for each point")
        return None if irreducible == "free" else np.zeros(())
    level = np.asarray(irreducible, float)
    if level.shape not in ((), y.shape) or not np.all(np.isfinite(level) & (level >= 0)):
        raise ValueError("irreducible must be one number, or one for each point, not negative")
    if np.all(level >= y):
        raise ValueError(f"irreducible is {irreducible}; all points lie below it, the largest at {y.max():g}")
    return level


def _parameters(theta: Array, form: str, center: Array) -> tuple[Array, Array]:
    """Amplitudes and exponents, (B, k) each, of x itself instead of x over its center."""
    k = len(center)
    if form == "multiplicative":
        alpha = theta[:, 2 : 2 + k]
        amplitude = np.exp(theta[:, 1:2] + (alpha * center).sum(axis=1, keepdims=True))
        return np.repeat(amplitude, k, axis=1), alpha
    alpha = theta[:, 1 + k :]
    return np.exp(theta[:, 1 : 1 + k] + alpha * center), alpha


def _starts(u: Array, y: Array, form: str, fixed: Array | None, offset: tuple[str, ...] | None) -> Array:
    """Linear least squares after guessing what is not linear: the irreducible error, or the exponents."""
    n, k = u.shape
    lowest = y.min()
    if form == "multiplicative":
        irreducible_errors = [lowest * share for share in (1e-6, 0.3, 0.6, 0.8, 0.95)] if fixed is None else [fixed]
        guesses = [-np.inf] if offset is None else [u[:, 0].min() + np.log(share) for share in OFFSETS]
        starts = []
        for level, b in itertools.product(irreducible_errors, guesses):
            above = np.log(np.maximum(y - level, 1e-3 * lowest))
            shifted = np.column_stack([np.ones(n), np.logaddexp(u[:, :1], b), u[:, 1:]])
            amplitude, *slopes = np.linalg.lstsq(shifted, above, rcond=None)[0]
            tail = [] if offset is None else [b, *np.zeros(len(offset))]
            starts.append([np.log(level) if fixed is None else 0.0, amplitude, *(-np.array(slopes)), *tail])
        return np.array(starts)
    found = []
    for alphas in (
        itertools.product((0.1, 0.3, 0.6, 1.0), repeat=k) if k <= 3 else [(a,) * k for a in (0.1, 0.3, 0.6, 1.0)]
    ):
        terms = np.exp(-np.array(alphas) * u)
        design = np.column_stack([np.ones(n), terms]) if fixed is None else terms
        solution, misfit = nnls(design / y[:, None], np.ones(n) if fixed is None else 1 - fixed / y)
        level, amplitudes = (solution[0], solution[1:]) if fixed is None else (1.0, solution)
        least = 1e-6 * lowest
        found.append((misfit, np.log([max(level, least), *np.maximum(amplitudes, least)]).tolist() + list(alphas)))
    return np.array([start for _, start in sorted(found, key=lambda pair: pair[0])[:STARTS]])
