"""Power laws y = E + A x^(-alpha), fitted so that the numbers can be trusted, or saying why not.

Huber loss on the residuals of log y, as Hoffmann et al. 2022 (arXiv 2203.15556, appendix D.3). All starts and
all bootstrap replicates are solved at once by Levenberg-Marquardt with analytic derivatives. x is centred in
log space, so that compute of 1e9 and of 1e20 FLOPs are the same problem.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Array = NDArray[np.float64]
MIN_POINTS = 6
MIN_DECADES = 1.0
HUBER = 1.345  # in units of the residuals' scale: 95 % efficient where they are normal
LEVEL = 0.95


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
        low, high = _percentiles(E + np.exp(a - alpha * u), level)
        return low, high

    def interval(self, name: str, level: float = LEVEL) -> tuple[float, float]:
        """Bootstrap interval of `E`, `A` or `alpha`."""
        low, high = _percentiles(self.draws(name), level)
        return float(low), float(high)

    def draws(self, name: str) -> Array:
        """Bootstrap replicates of `E`, `A` or `alpha`; differences of two fits' draws give intervals."""
        E, a, alpha = self._replicates.T
        if name not in ("E", "A", "alpha"):
            raise ValueError(f"'{name}' is not a parameter; use E, A or alpha")
        draws: dict[str, Array] = {"E": E, "A": np.exp(a + alpha * self._centre), "alpha": alpha}
        return draws[name]


def fit_power_law(
    x: ArrayLike,
    y: ArrayLike,
    *,
    floor: str | float = "none",
    covariance: ArrayLike | None = None,
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
        holdout: fraction of the points, those with the largest x, kept out of the fit and used for
            `extrapolation_error`.
        bootstrap: replicates behind the intervals.
        seed: of the bootstrap.

    Returns: PowerLawFit; `trusted` is False, with the reason, where the law should not be believed.

    Raises: ValueError for lengths that differ, values that are not positive and finite, fewer than 3 points,
        an unknown floor, or holdout outside [0, 1).
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"x and y must be lists of one length; they have shapes {x.shape} and {y.shape}")
    if not (np.all(np.isfinite(x) & (x > 0)) and np.all(np.isfinite(y) & (y > 0))):
        raise ValueError("x and y must be positive and finite")
    if not 0 <= holdout < 1:
        raise ValueError(f"holdout is {holdout}; it must lie in [0, 1)")
    if isinstance(floor, str) and floor not in ("none", "free"):
        raise ValueError(f"floor '{floor}' is unknown; use none, free, or a number")
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    known = None if covariance is None else _ordered(np.asarray(covariance, float), order)
    kept = len(x) - round(holdout * len(x))
    if kept < 3:
        raise ValueError(f"{kept} points are left to fit; at least 3 are needed")
    known = None if known is None else known[:kept, :kept]
    spread = np.ones(kept) if known is None else np.sqrt(np.diag(known))
    weight = np.exp(np.log(spread).mean()) / spread  # 1 on geometric average
    centre = float(np.log(x[:kept]).mean())
    u, log_y = np.log(x[:kept]) - centre, np.log(y[:kept])
    fixed = None if floor == "free" else 0.0 if floor == "none" else float(floor)

    best = _solve(u, log_y[None], _starts(u, log_y, fixed), fixed, weight)[0]
    fitted = _log_model(best[None], u)[0]
    residuals = (log_y - fitted) * weight
    free = 3 if fixed is None else 2
    degrees = max(1, kept - free)
    scale = float(np.sqrt((residuals**2).sum() / degrees))
    rng = np.random.default_rng(seed)
    if known is None:
        noise = _block_resample(residuals * np.sqrt(kept / degrees), bootstrap, rng)
        whitened = residuals
    else:
        excess = max(1.0, scale * float(np.exp(-np.log(spread).mean())))
        root = _square_root(known)
        noise = excess * rng.standard_normal((bootstrap, kept)) @ root
        whitened = np.linalg.lstsq(root, log_y - fitted, rcond=1e-6)[0]
    replicates = _solve(u, fitted + noise, best[None], fixed, weight)
    # Student's t for the few degrees of freedom that percentiles of resampled residuals cannot know of.
    widen = stats.t.ppf(0.975, degrees) / stats.norm.ppf(0.975)
    replicates[:, 1:] = best[1:] + widen * (replicates[:, 1:] - best[1:])

    E, amplitude, alpha = _exp_floor(best), best[1], best[2]
    decades = float(np.log10(x[kept - 1] / x[0]))
    held = np.exp(_log_model(best[None], np.log(x[kept:]) - centre)[0]) / y[kept:] - 1
    error = float(np.sqrt((held**2).mean())) if len(held) else float("nan")
    replicates[:, 0] = np.exp(replicates[:, 0])
    aicc = _aicc(residuals, free)
    level = np.average(log_y, weights=weight**2)
    constant = _aicc((log_y - level) * weight, 1)
    reason = _doubt(whitened, decades, alpha, replicates[:, 2], aicc, constant)
    return PowerLawFit(
        E=E,
        A=float(np.exp(amplitude + alpha * centre)),
        alpha=float(alpha),
        floor=floor if isinstance(floor, str) else "fixed",
        scale=scale,
        aicc=aicc,
        points=kept,
        decades=decades,
        extrapolation_error=error,
        trusted=reason == "",
        reason=reason,
        _centre=centre,
        _replicates=replicates,
    )


def _exp_floor(theta: Array) -> float:
    return float(np.exp(theta[0]))


def _log_model(theta: Array, u: Array) -> Array:
    """theta (B, 3) = (log E, log amplitude, alpha), u (n,) -> log y (B, n)."""
    values: Array = np.logaddexp(theta[:, :1], theta[:, 1:2] - theta[:, 2:] * u)
    return values


def _starts(u: Array, log_y: Array, fixed: float | None) -> Array:
    """Least squares in log-log after subtracting each of several floors."""
    lowest = np.exp(log_y.min())
    floors = [fixed] if fixed is not None else [lowest * share for share in (1e-6, 0.3, 0.6, 0.8, 0.9, 0.97)]
    starts = []
    for level in floors:
        above = np.log(np.maximum(np.exp(log_y) - level, 1e-3 * lowest))
        slope, amplitude = np.polyfit(u, above, 1)
        starts.append((np.log(level) if level > 0 else -np.inf, amplitude, -slope))
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


def _solve(u: Array, log_y: Array, starts: Array, fixed: float | None, weight: Array) -> Array:
    """Huber fits (B, 3) of each row of log_y (B, n) from each of `starts` (S, 3); the best start counts.

    The Huber threshold follows from the spread around a least-squares fit of the same row.
    """
    rows, count = len(log_y), len(starts)
    theta = np.repeat(starts[None], rows, axis=0).reshape(rows * count, 3)
    target = np.repeat(log_y, count, axis=0)
    theta, _ = _levenberg_marquardt(u, target, theta, np.full(len(theta), np.inf), fixed, weight)
    residuals = (target - _log_model(theta, u)) * weight
    spread = 1.4826 * np.median(np.abs(residuals), axis=1)
    threshold = HUBER * np.maximum(np.min(spread.reshape(rows, count), axis=1), 1e-9).repeat(count)
    theta, loss = _levenberg_marquardt(u, target, theta, threshold, fixed, weight)
    best = loss.reshape(rows, count).argmin(axis=1)
    chosen: Array = theta.reshape(rows, count, 3)[np.arange(rows), best]
    return chosen


def _levenberg_marquardt(
    u: Array, target: Array, theta: Array, threshold: Array, fixed: float | None, weight: Array, iterations: int = 60
) -> tuple[Array, Array]:
    damping = np.full(len(theta), 1e-3)
    loss = _huber((target - _log_model(theta, u)) * weight, threshold)
    free = slice(1, 3) if fixed is not None else slice(0, 3)
    width = free.stop - free.start
    for _ in range(iterations):
        model = _log_model(theta, u)
        residual = (target - model) * weight
        share = np.exp(theta[:, :1] - model)  # of the floor in y
        jacobian = (np.stack([share, 1 - share, -u * (1 - share)], axis=-1) * weight[:, None])[..., free]
        trust = np.minimum(1.0, threshold[:, None] / np.maximum(np.abs(residual), 1e-300))
        normal = np.einsum("bni,bn,bnj->bij", jacobian, trust, jacobian)
        gradient = np.einsum("bni,bn,bn->bi", jacobian, trust, residual)
        ridge = damping[:, None] * np.einsum("bii->bi", normal) + 1e-12
        step = np.linalg.solve(normal + ridge[:, :, None] * np.eye(width), gradient[..., None])[..., 0]
        trial = theta.copy()
        trial[:, free] += np.clip(step, -5, 5)
        trial[:, 0] = np.minimum(trial[:, 0], target.min(axis=1) + 1)
        trial_loss = _huber((target - _log_model(trial, u)) * weight, threshold)
        better = trial_loss < loss
        done = np.all(np.abs(trial_loss - loss) <= 1e-13 * (1e-12 + loss))
        theta[better], loss[better] = trial[better], trial_loss[better]
        damping = np.where(better, damping * 0.3, np.minimum(damping * 5, 1e12))
        if done:
            break
    return theta, loss


def _huber(residual: Array, threshold: Array) -> Array:
    size, edge = np.abs(residual), threshold[:, None]
    inner = 0.5 * residual**2
    outer = np.where(
        np.isfinite(edge),
        np.nan_to_num(edge, posinf=0.0) * size - 0.5 * np.nan_to_num(edge, posinf=0.0) ** 2,
        inner,
    )
    total: Array = np.where(size <= edge, inner, outer).sum(axis=1)
    return total


def _block_resample(residuals: Array, count: int, rng: np.random.Generator) -> Array:
    """(count, n) residuals drawn in circular blocks of about n^(1/3) neighbours."""
    n = len(residuals)
    length = max(1, round(n ** (1 / 3)))
    blocks = -(-n // length)
    first = rng.integers(0, n, (count, blocks, 1))
    index = (first + np.arange(length)).reshape(count, blocks * length)[:, :n] % n
    drawn: Array = (residuals - residuals.mean())[index]
    return drawn


def _aicc(residuals: Array, free: int) -> float:
    n, k = len(residuals), free + 1  # and the residuals' variance
    if n <= k + 1:
        return float("inf")
    variance = max(float((residuals**2).mean()), 1e-300)
    return float(n * np.log(variance) + 2 * k + 2 * k * (k + 1) / (n - k - 1))


def _doubt(residuals: Array, decades: float, alpha: float, draws: Array, aicc: float, constant: float) -> str:
    """Why a fit should not be trusted; empty where it may be."""
    if len(residuals) < MIN_POINTS:
        return f"only {len(residuals)} points; at least {MIN_POINTS} are needed"
    if decades < MIN_DECADES:
        return f"x spans {decades:.2f} decades; at least {MIN_DECADES:g} is needed"
    if aicc >= constant:
        return "a constant describes the points as well"
    low, high = _percentiles(draws, LEVEL)
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


def _percentiles(draws: Array, level: float) -> tuple[Array, Array]:
    if len(draws) == 0:
        empty = np.full(draws.shape[1:], np.nan)
        return empty, empty
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high
