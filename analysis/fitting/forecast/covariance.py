"""Covariance of what the trend leaves: misfit that is smooth over the grid, variants, runs, and noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from analysis.fitting.forecast.points import Array, Points
from analysis.fitting.forecast.trends import REFERENCE_STEPS, coordinates

VIEWS_LENGTH = 0.8  # of the part of the misfit that depends on K, in 2 / K
VARIANT_CONSTANT = 0.5  # standard deviation of a variant's own height
VARIANT_SLOPE = 0.1  # and of its own slope, per octave of steps
SMOOTH = [0, 1, 3]  # coordinates over which the misfit has lengths: P, D, steps
NO_RUN = -2  # equal to the number of none


class Scales(NamedTuple):
    """Hyperparameters, all positive. Standard deviations: `misfit`, the part of it that depends on K (`views`), that of
    each `variant` alone, `run` (its deviation from its setting, which is what seeds differ by), `noise` of a point
    beside what its window tells. Lengths in octaves: of the misfit over P, D, steps, and of a run's deviation."""

    misfit: float
    views: float
    variant: float
    length_P: float
    length_D: float
    length_steps: float
    run: float
    length_run: float
    noise: float


def between(scales: Scales, a: Points, b: Points) -> Array:
    """Covariance of a's values with b's, (n, m), without noise of points."""
    x, y = coordinates(a), coordinates(b)
    near = _gaussian(x[:, SMOOTH] / _lengths(scales), y[:, SMOOTH] / _lengths(scales))
    total = near * _over_views(scales, a.K, b.K)
    if scales.variant:
        same = a.variant[:, None] == b.variant[None, :]
        t, u = (np.log2(each.steps / REFERENCE_STEPS) for each in (a, b))
        near *= scales.variant**2
        near += VARIANT_CONSTANT**2 + VARIANT_SLOPE**2 * np.outer(t, u)
        total += np.where(same, near, 0.0)
    if (a.run >= 0).any() and (b.run >= 0).any():
        rows, columns = np.nonzero(a.run[:, None] == np.where(b.run >= 0, b.run, NO_RUN)[None, :])
        apart = (x[rows, 3] - y[columns, 3]) / scales.length_run
        weight = 1 / np.sqrt(a.replicates[rows] * b.replicates[columns])
        total[rows, columns] += scales.run**2 * weight * np.exp(-0.5 * apart**2)
    return total


def within(scales: Scales, points: Points) -> Array:
    """Covariance of measured points, (n, n), with their noise."""
    total = between(scales, points, points)
    total[np.diag_indices(len(points))] += _noise(scales, points)
    return total


def variances(scales: Scales, at: Points) -> Array:
    """Variance of each point, (n,), without noise."""
    slope = (np.log2(at.steps / REFERENCE_STEPS) * VARIANT_SLOPE) ** 2
    own = slope + VARIANT_CONSTANT**2 + scales.variant**2 if scales.variant else 0.0
    total: Array = scales.misfit**2 + scales.views**2 + own + scales.run**2 / at.replicates
    return total


def with_slopes(scales: Scales, points: Points, squares: Array | None = None) -> tuple[Array, list[Array]]:
    """`within`, and its derivatives by the logarithm of each scale, in order, (n, n) each; `squares`: as
    `square_distances` gives them."""
    squares = square_distances(points) if squares is None else squares
    near = np.exp(-0.5 * np.tensordot(_lengths(scales) ** -2, squares[SMOOTH], 1))
    views = scales.views**2 * near * np.exp(-0.5 * squares[2] / VIEWS_LENGTH**2)
    same = (points.run[:, None] == points.run[None, :]) & (points.run[:, None] >= 0)
    weight = 1 / np.sqrt(np.outer(points.replicates, points.replicates))
    run = np.where(same, scales.run**2 * weight * np.exp(-0.5 * squares[3] / scales.length_run**2), 0.0)
    misfit, variant, constant = scales.misfit**2 * near, np.zeros_like(near), np.zeros_like(near)
    if scales.variant:
        alike = points.variant[:, None] == points.variant[None, :]
        t = np.log2(points.steps / REFERENCE_STEPS)
        variant = np.where(alike, scales.variant**2 * near, 0.0)
        constant = np.where(alike, VARIANT_CONSTANT**2 + VARIANT_SLOPE**2 * np.outer(t, t), 0.0)
    shared = misfit + views + variant
    slopes = [
        2 * misfit,
        2 * views,
        2 * variant,
        *(shared * (squares[axis] / length**2) for axis, length in zip(SMOOTH, _lengths(scales), strict=True)),
        2 * run,
        run * (squares[3] / scales.length_run**2),
        np.diag(2 * scales.noise**2 / points.replicates),
    ]
    return shared + constant + run + np.diag(_noise(scales, points)), slopes


def square_distances(points: Points) -> Array:
    """Over P, D, K and steps, (4, n, n)."""
    x = coordinates(points).T
    squares: Array = (x[:, :, None] - x[:, None, :]) ** 2
    return squares


def _lengths(scales: Scales) -> Array:
    return np.array([scales.length_P, scales.length_D, scales.length_steps])


def _noise(scales: Scales, points: Points) -> Array:
    noise: Array = points.variance + scales.noise**2 / points.replicates
    return noise


def _gaussian(x: Array, y: Array) -> Array:
    """exp(-|x - y|^2 / 2) of all pairs, (n, m), by one product of matrices."""
    rows = np.concatenate([x, -0.5 * (x**2).sum(1, keepdims=True), np.ones((len(x), 1))], axis=1)
    columns = np.concatenate([y, np.ones((len(y), 1)), -0.5 * (y**2).sum(1, keepdims=True)], axis=1)
    exponents = rows @ columns.T
    near: Array = np.exp(exponents, out=exponents)
    return near


def _over_views(scales: Scales, a: Array, b: Array) -> Array:
    """Variance of the misfit that K = a and K = b share, (n, m)."""
    (kinds, row), (others, column) = (np.unique(each, return_inverse=True) for each in (a, b))
    apart = (2 / kinds[:, None] - 2 / others[None, :]) / VIEWS_LENGTH
    table = scales.misfit**2 + scales.views**2 * np.exp(-0.5 * apart**2)
    shared: Array = table[row.reshape(-1)][:, column.reshape(-1)]
    return shared
