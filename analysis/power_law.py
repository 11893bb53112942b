"""Power laws y = E + A x^(-alpha), fitted so that the numbers can be trusted, or saying why not.

Huber loss on the residuals of log y, as Hoffmann et al. 2022 (arXiv 2203.15556, appendix D.3). x is centred in
log space, so that compute of 1e9 and of 1e20 FLOPs are the same problem. Laws of several variables: `fit_joint`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.joint_law import JointFit, fit_joint
from analysis.robust import LEVEL, Array, huber_fits, information_criterion, log_floor, percentiles, product_law

__all__ = ["JointFit", "PowerLawFit", "difference", "fit_joint", "fit_power_law"]
MIN_POINTS = 6
MIN_DECADES = 1.0


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
        """Bootstrap interval of `E`, `A` or `alpha`."""
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
    """`one` less `other` in a parameter, with its bootstrap interval: (difference, low, high).

    The replicates of `other` are shuffled: two fits with the same seed drew the same random numbers.
    """
    shuffled = np.random.default_rng(1).permutation(other.draws(name))
    low, high = percentiles(one.draws(name)[: len(shuffled)] - shuffled[: len(one.draws(name))], level)
    return getattr(one, name) - getattr(other, name), float(low), float(high)


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
    labels = np.zeros(len(x), int) if runs is None else np.unique(np.asarray(runs)[order], return_inverse=True)[1]
    known = None if covariance is None else _ordered(np.asarray(covariance, float), order)
    kept = len(x) - round(holdout * len(x))
    if kept < 3:
        raise ValueError(f"{kept} points are left to fit; at least 3 are needed")
    known = None if known is None else known[:kept, :kept]
    labels = labels[:kept]
    spread = np.ones(kept) if known is None else np.sqrt(np.diag(known))
    weight = np.exp(np.log(spread).mean()) / spread  # 1 on geometric average
    centre = float(np.log(x[:kept]).mean())
    u, log_y = np.log(x[:kept]) - centre, np.log(y[:kept])
    fixed = None if floor == "free" else 0.0 if floor == "none" else float(floor)

    def fit(targets: Array, starts: Array, counts: Array | None = None) -> Array:
        edge = np.inf if several else None  # a robust loss would call a whole run an outlier
        return huber_fits(
            law, targets, starts, weight=weight, counts=counts, threshold=edge, fixed_floor=fixed is not None
        )[0]

    law = product_law(u[:, None], None if fixed is None else log_floor(fixed, kept))
    count = int(labels.max()) + 1
    several = count > 1
    best = fit(log_y[None], _starts(u, log_y, fixed))[0]
    fitted = law(best[None])[0][0]
    residuals = (log_y - fitted) * weight
    free = 3 if fixed is None else 2
    degrees = max(1, kept - free)
    scale = float(np.sqrt((residuals**2).sum() / degrees))
    # Student's t for the few degrees of freedom that resampled residuals cannot know of.
    wide = stats.t.ppf(0.975, degrees) / stats.norm.ppf(0.975)
    rng = np.random.default_rng(seed)
    if several:
        without = (labels[None] != np.arange(count)[:, None]).astype(float)
        one_out = fit(np.repeat(log_y[None], count, axis=0), best[None], without)
        replicates = _jackknife_draws(best, one_out, bootstrap, rng)
    elif known is None:
        noise = _block_resample(residuals * np.sqrt(kept / degrees), bootstrap, rng)
        replicates = best + wide * (fit(fitted + noise, best[None]) - best)
    else:
        excess = max(1.0, scale * float(np.exp(-np.log(spread).mean())))
        noise = excess * rng.standard_normal((bootstrap, kept)) @ _square_root(known)
        replicates = best + (wide if excess > 1 else 1.0) * (fit(fitted + noise, best[None]) - best)
    whitened = _whitened(log_y - fitted, u, known, weight, labels)

    decades = float(np.log10(x[kept - 1] / x[0]))
    E = float(np.exp(best[0])) if fixed is None else fixed
    held = (E + np.exp(best[1] - best[2] * (np.log(x[kept:]) - centre))) / y[kept:] - 1
    replicates[:, 0] = np.exp(np.minimum(replicates[:, 0], log_y.min() + 1)) if fixed is None else fixed
    aicc = information_criterion(residuals, free)
    level = np.average(log_y, weights=weight**2)
    constant = information_criterion((log_y - level) * weight, 1)
    reason = _doubt(whitened, decades, best[2], replicates[:, 2], aicc, constant)
    return PowerLawFit(
        E=E,
        A=float(np.exp(best[1] + best[2] * centre)),
        alpha=float(best[2]),
        floor=floor if isinstance(floor, str) else "fixed",
        scale=scale,
        aicc=aicc,
        points=kept,
        decades=decades,
        extrapolation_error=float(np.sqrt((held**2).mean())) if len(held) else float("nan"),
        trusted=reason == "",
        reason=reason,
        _centre=centre,
        _replicates=replicates,
    )


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


def _square_root(covariance: Array) -> Array:
    """Symmetric square root; estimated covariances may be slightly indefinite."""
    values, vectors = np.linalg.eigh(covariance)
    root: Array = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return root


def _jackknife_draws(best: Array, one_out: Array, count: int, rng: np.random.Generator) -> Array:
    """Draws (count, 3) whose percentiles are Student's t intervals of the mean run, from the fits that leave
    out one run each (the delete-one-group jackknife; between runs everything may differ)."""
    runs = len(one_out)
    deviations = (runs - 1) * (best - one_out)
    root = (deviations - deviations.mean(axis=0)) / np.sqrt(runs * (runs - 1))
    even = rng.permuted(np.tile((np.arange(count) + 0.5) / count, (runs + 1, 1)), axis=1).T  # evenly spread draws
    t = stats.norm.ppf(even[:, :-1]) / np.sqrt(stats.chi2.ppf(even[:, -1:], runs - 1) / (runs - 1))
    draws: Array = best + t @ root
    return draws


def _whitened(residuals: Array, u: Array, known: Array | None, weight: Array, labels: NDArray[np.int64]) -> Array:
    """Residuals of log y made independent, run after run; where runs are replicates, about each run's own line."""
    count = labels.max() + 1
    parts: list[Array] = []
    for run in range(count):
        mine = np.flatnonzero(labels == run)
        part = residuals[mine]
        if count > 1 and len(mine) > 2:
            line = np.polyval(np.polyfit(u[mine], part, 1, w=weight[mine]), u[mine])
            part = part - np.asarray(line, float)
        root = np.eye(len(mine)) if known is None else _square_root(known[np.ix_(mine, mine)])
        parts.append(np.asarray(np.linalg.lstsq(root, part, rcond=1e-6)[0], float))
    return np.concatenate(parts)


def _block_resample(residuals: Array, count: int, rng: np.random.Generator) -> Array:
    """(count, n) residuals drawn in circular blocks of about n^(1/3) neighbours."""
    n = len(residuals)
    length = max(1, round(n ** (1 / 3)))
    blocks = -(-n // length)
    first = rng.integers(0, n, (count, blocks, 1))
    index = (first + np.arange(length)).reshape(count, blocks * length)[:, :n] % n
    drawn: Array = (residuals - residuals.mean())[index]
    return drawn


def _doubt(residuals: Array, decades: float, alpha: float, draws: Array, aicc: float, constant: float) -> str:
    """Why a fit should not be trusted; empty where it may be."""
    if len(residuals) < MIN_POINTS:
        return f"only {len(residuals)} points; at least {MIN_POINTS} are needed"
    if decades < MIN_DECADES:
        return f"x spans {decades:.2f} decades; at least {MIN_DECADES:g} is needed"
    if aicc >= constant:
        return "a constant describes the points as well"
    low, high = percentiles(draws)
    if low <= 0 <= high:
        return f"the interval of alpha, {low:.3f} to {high:.3f}, holds 0"
    if alpha < 0:
        return "y rises with x"
    if high - low > alpha:
        return f"the interval of alpha, {low:.3f} to {high:.3f}, is wider than alpha"
    if (chance := _runs_test(residuals)) < 0.01:
        return f"the residuals have structure (runs test, p = {chance:.1g}): the points bend away from the law"
    return ""


def _runs_test(residuals: Array) -> float:
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
