"""A Gaussian process around a trend: fitted to measured points, it predicts any place with its uncertainty.

Hyperparameters are averaged over their posterior, under log-normal priors that reference sweeps taught: a normal
approximation around its mode, sampled and weighted anew. (A single best value gives intervals that are far too narrow
while there are few cells.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import linalg, optimize
from scipy.stats import qmc

from analysis.fitting.forecast import covariance
from analysis.fitting.forecast.covariance import Scales
from analysis.fitting.forecast.points import Array, Index, Points, pooled, thinned
from analysis.fitting.forecast.priors import MEDIANS, SPREADS
from analysis.fitting.forecast.trends import Trend

CURVES = 3  # of a setting, at most: more replicates are pooled
MOST_POINTS = 1500  # that predictions are made from: beyond, those in the middle of runs are left out
LEARNING_POINTS = 300  # that hyperparameters are learned from, whole runs, at most
ROUNDS = 2  # of trend and hyperparameters in turn
SAMPLES = 8  # of the hyperparameters
LEAST_WEIGHT = 0.01
SMALLEST = 1e-12  # of a variance
STEPS, HALVINGS, CONVERGED = 8, 10, 1e-3  # of the trend's fit


class Seen(NamedTuple):
    """Places `at`, with their slopes by the trend's standardized parameters (n, k), and their covariance with the
    points, whitened, (points, n)."""

    at: Points
    slopes: Array
    whitened: Array


class LeftOut(NamedTuple):
    """The last values of settings, mean over their runs, (s,) each: `measured`, `predicted` by points of others, and
    the prediction's standard deviation `sd`, noise of the measurement included; `at`: one of the points of each."""

    at: Points
    measured: Array
    predicted: Array
    sd: Array

    @property
    def standardized(self) -> Array:
        """How many standard deviations measured values are off."""
        off: Array = (self.measured - self.predicted) / self.sd
        return off


@dataclass(frozen=True)
class Process:
    """A trend with parameters `theta`, and samples of the hyperparameters with their weights, the mode first."""

    points: Points
    trend: Trend
    theta: Array
    samples: tuple[tuple[Scales, float], ...]

    @property
    def mode(self) -> Scales:
        """The most probable hyperparameters."""
        return self.samples[0][0]

    def extended(self, points: Points) -> Process:
        """The same with other points, and the hyperparameters that it has."""
        points = thinned(pooled(points, CURVES), MOST_POINTS)
        theta = _trend_fit(self.trend, self.theta, self.mode, points) if len(points) else self.theta
        return replace(self, points=points, theta=theta)

    def of_trend_alone(self) -> Process:
        """The same as if the trend left nothing but noise and what seeds differ by."""
        return replace(self, samples=((self.mode._replace(misfit=1e-6, views=1e-6, variant=0.0), 1.0),))

    @cached_property
    def _solved(self) -> list[tuple[Scales, float, Array, Array]]:
        residual, slopes = _residual(self.trend, self.theta, self.points)
        solved = []
        for scales, weight in self.samples:
            factor = _cholesky(_total(scales, self.trend, slopes, self.points))
            solved.append((scales, weight, factor, _solve(factor, residual)))
        return solved

    def predict(self, at: Points) -> tuple[Array, Array]:
        """Mean and variance of the values at these places, (n,) each. A run that is among the points is that run, any
        other one of its setting, or the mean of so many `replicates`."""
        value, slopes = self.trend(self.theta, at)
        start = value + slopes @ (self.trend.prior_mean - self.theta)
        prior = ((slopes * self.trend.prior_sd) ** 2).sum(axis=1)
        means, variances = [], []
        for scales, _, factor, whitened in self._solved:
            cross = self._cross(scales, at, slopes, factor)
            means.append(start + cross.T @ whitened)
            variances.append(covariance.variances(scales, at) + prior - (cross**2).sum(axis=0))
        share = np.array([weight for _, weight in self.samples])
        mean: Array = share @ np.array(means)
        variance: Array = share @ (np.array(variances) + (np.array(means) - mean) ** 2)
        return mean, np.maximum(variance, SMALLEST)

    def joint(self, at: Points) -> Array:
        """Covariance of the values at these places, (n, n), without noise, by the most probable hyperparameters."""
        seen = self.seen(at)
        return self.shared(seen, seen)

    def seen(self, at: Points) -> Seen:
        """Places as the points see them, of which covariances are quickly had."""
        scales, _, factor, _ = self._solved[0]
        _, slopes = self.trend(self.theta, at)
        return Seen(at, slopes * self.trend.prior_sd, self._cross(scales, at, slopes, factor))

    def shared(self, a: Seen, b: Seen) -> Array:
        """Covariance of the values at places a with those at places b, (n, m), as `joint`."""
        prior = covariance.between(self.mode, a.at, b.at) + a.slopes @ b.slopes.T
        shared: Array = prior - a.whitened.T @ b.whitened
        return shared

    def spread(self, a: Seen) -> Array:
        """The diagonal of `joint`, (n,)."""
        known = (a.whitened**2).sum(axis=0)
        spread: Array = covariance.variances(self.mode, a.at) + (a.slopes**2).sum(axis=1) - known
        return spread

    def left_out(self, index: Index) -> tuple[Array, Array]:
        """What the other points say of the points of `index` by the most probable hyperparameters: their residuals,
        (m,), and the covariance of these, (m, m), in closed form, the law's parameters fitted anew (linearly)."""
        precision, weighted = self._precision
        block: Array = np.linalg.inv(precision[np.ix_(index, index)]).astype(np.float64)
        return block @ weighted[index], block

    def settings_apart(self) -> list[Index]:
        """The points of each setting."""
        setting = self.points.setting
        order = np.argsort(setting, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(setting[order])) + 1) if len(order) else []

    @cached_property
    def each_left_out(self) -> LeftOut:
        """What the points of all others say of each setting."""
        apart, (precision, weighted), weights = self.settings_apart(), self._precision, self.points.last
        sizes, off, sd = np.array([len(index) for index in apart]), np.zeros(len(apart)), np.zeros(len(apart))
        for size in np.unique(sizes):
            alike = np.flatnonzero(sizes == size)
            index = np.stack([apart[each] for each in alike])
            spread, weight = np.linalg.inv(precision[index[:, :, None], index[:, None, :]]), weights[index]
            off[alike] = np.einsum("si,sij,sj->s", weight, spread, weighted[index])
            sd[alike] = np.sqrt(np.einsum("si,sij,sj->s", weight, spread, weight))
        return self._left_out(apart, off, sd)

    def left_out_together(self, apart: list[Index]) -> LeftOut:
        """What all other points say of some of the `settings_apart`."""
        index = np.concatenate(apart)
        residuals, spread = self.left_out(index)
        setting = np.repeat(np.arange(len(apart)), [len(each) for each in apart])
        weight = self.points.last[index] * (setting == np.arange(len(apart))[:, None])
        return self._left_out(apart, weight @ residuals, np.sqrt(((weight @ spread) * weight).sum(axis=1)))

    def _left_out(self, apart: list[Index], off: Array, sd: Array) -> LeftOut:
        points, weights = self.points, self.points.last
        measured = np.array([weights[index] @ points.value[index] for index in apart])
        last = [index[np.flatnonzero(weights[index])[0]] for index in apart]
        return LeftOut(points[np.array(last, int)], measured, measured - off, sd)

    @cached_property
    def _precision(self) -> tuple[Array, Array]:
        _, _, factor, whitened = self._solved[0]
        return _inverse(factor), linalg.solve_triangular(factor, whitened, lower=True, trans=1, check_finite=False)

    def _cross(self, scales: Scales, at: Points, slopes: Array, factor: Array) -> Array:
        _, own = self.trend(self.theta, self.points)
        cross = covariance.between(scales, at, self.points)
        cross += (slopes * self.trend.prior_sd**2) @ own.T
        whitened: Array = linalg.solve_triangular(factor, cross.T, lower=True, overwrite_b=True, check_finite=False)
        return whitened


def fit_process(points: Points, trend: Trend, scales: Scales = MEDIANS, spread: Scales = SPREADS,
                seed: int = 0) -> Process:  # fmt: skip
    """A process of these points. `scales`, `spread`: medians of the hyperparameters' priors, and standard deviations
    of their logarithms; variants are taken apart where there are several."""
    if not len(points):
        scales = scales._replace(variant=0.0)
        return Process(points, trend, trend.prior_mean, ((scales, 1.0),))
    points = thinned(pooled(points, CURVES), MOST_POINTS)
    rng = np.random.default_rng(seed)
    learned = points[_some_runs(points, rng)]
    several = len(np.unique(points.variant)) > 1
    learner = _Learner(learned, trend, np.log(scales), np.array(spread), several)
    theta, logs = trend.prior_mean, np.log(scales)
    for _ in range(ROUNDS):
        theta = _trend_fit(trend, theta, learner.scales(logs), learned)
        logs, curvature = learner.mode(theta, logs)
    theta = _trend_fit(trend, theta, learner.scales(logs), points)
    return Process(points, trend, theta, tuple(learner.samples(theta, logs, curvature, seed)))


@dataclass(frozen=True)
class _Learner:
    """Posterior of the logarithms of the hyperparameters, given the trend's linearization at theta."""

    points: Points
    trend: Trend
    center: Array
    width: Array
    several: bool

    def scales(self, logs: Array) -> Scales:
        scales = Scales(*np.exp(logs))
        return scales if self.several else scales._replace(variant=0.0)

    @cached_property
    def _squares(self) -> Array:
        return covariance.square_distances(self.points)

    def loss(self, logs: Array, theta: Array) -> tuple[float, Array]:
        """Negative log posterior and its gradient."""
        residual, slopes = _residual(self.trend, theta, self.points)
        total, by_scale = covariance.with_slopes(self.scales(logs), self.points, self._squares)
        total = total + (slopes * self.trend.prior_sd**2) @ slopes.T
        off = (logs - self.center) / self.width
        factor = _cholesky(total)
        weighted = linalg.cho_solve((factor, True), residual, check_finite=False)
        excess = np.outer(weighted, weighted) - _inverse(factor)
        gradient = np.array([-0.5 * np.vdot(excess, each) for each in by_scale])
        value = 0.5 * residual @ weighted + np.log(np.diag(factor)).sum() + 0.5 * off @ off
        return float(value), gradient + off / self.width

    def mode(self, theta: Array, start: Array) -> tuple[Array, Array]:
        """The most probable logarithms, and the curvature of the loss there (k, k)."""
        limits = list(zip(self.center - 3 * self.width, self.center + 3 * self.width, strict=True))
        found = optimize.minimize(
            self.loss, start, args=(theta,), jac=True, method="L-BFGS-B", bounds=limits, options={"maxiter": 25}
        )
        step = 0.1
        rows = [self.loss(found.x + d, theta)[1] - self.loss(found.x - d, theta)[1] for d in step * np.eye(len(start))]
        curvature = np.array(rows) / (2 * step)
        return found.x, (curvature + curvature.T) / 2

    def samples(self, theta: Array, mode: Array, curvature: Array, seed: int) -> list[tuple[Scales, float]]:
        values, axes = np.linalg.eigh(curvature)
        sd = 1 / np.sqrt(np.maximum(values, 1.0))
        draws = qmc.MultivariateNormalQMC(np.zeros(len(mode)), seed=seed).random(SAMPLES)
        draws = np.concatenate([np.zeros((1, len(mode))), draws])
        logs = mode + (draws * sd) @ axes.T
        losses = np.array([self.loss(each, theta)[0] for each in logs])
        weights = np.exp(np.minimum(0.5 * (draws**2).sum(axis=1) - (losses - losses[0]), 0))
        weights = np.minimum(weights, np.sqrt(len(weights)) * weights.mean())
        kept = weights >= LEAST_WEIGHT * weights.sum()
        kept[0] = True
        total = weights[kept].sum()
        return [
            (self.scales(each), float(weight / total)) for each, weight in zip(logs[kept], weights[kept], strict=True)
        ]


def _some_runs(points: Points, rng: np.random.Generator) -> Index:
    runs = np.unique(points.run)
    most = round(LEARNING_POINTS * len(runs) / len(points))
    if len(runs) > most:
        runs = rng.choice(runs, most, replace=False)
    return np.flatnonzero(np.isin(points.run, runs))


def _residual(trend: Trend, theta: Array, points: Points) -> tuple[Array, Array]:
    """What the linearized trend at its prior mean leaves of the values, and its derivatives."""
    value, slopes = trend(theta, points)
    return points.value - value - slopes @ (trend.prior_mean - theta), slopes


def _total(scales: Scales, trend: Trend, slopes: Array, points: Points) -> Array:
    total: Array = covariance.within(scales, points) + (slopes * trend.prior_sd**2) @ slopes.T
    return total


def _cholesky(total: Array) -> Array:
    """The lower factor, in place."""
    factor: Array = linalg.cholesky(total, lower=True, overwrite_a=True, check_finite=False)
    return factor


def _solve(factor: Array, right: Array) -> Array:
    found: Array = linalg.solve_triangular(factor, right, lower=True, check_finite=False)
    return found


def _inverse(factor: Array) -> Array:
    """Of the matrix with this lower factor."""
    if not len(factor):
        return factor
    half = linalg.lapack.dpotri(factor, lower=True)[0]
    found: Array = np.tril(half) + np.tril(half, -1).T
    return found


def _trend_fit(trend: Trend, theta: Array, scales: Scales, points: Points) -> Array:
    """The most probable parameters, by Gauss-Newton steps that are halved until they help."""
    factor = _cholesky(covariance.within(scales, points))
    mean, sd = trend.prior_mean, trend.prior_sd

    def whitened(theta: Array) -> tuple[Array, Array, float]:
        value, slopes = trend(theta, points)
        left = _solve(factor, points.value - value)
        return left, slopes, float(left @ left + (((theta - mean) / sd) ** 2).sum())

    left, slopes, cost = whitened(theta)
    for _ in range(STEPS):
        scaled = _solve(factor, slopes)
        step = np.linalg.solve(scaled.T @ scaled + np.diag(sd**-2), scaled.T @ left - (theta - mean) / sd**2)
        for share in 0.5 ** np.arange(HALVINGS):
            tried = theta + share * step
            result = whitened(tried)
            if result[2] < cost:
                break
        else:
            return theta
        fall = cost - result[2]
        theta, (left, slopes, cost) = tried, result
        if fall < CONVERGED:
            break
    return theta
