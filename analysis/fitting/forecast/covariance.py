"""Covariance of what the trend leaves: misfit that is smooth over the grid, variants, runs, and noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from analysis.fitting.forecast.points import Array, Points
from analysis.fitting.forecast.trends import REFERENCE_STEPS, coordinates

VIEWS_LENGTH = 0.8  # of the part of the misfit that depends on K, in 2 / K
VARIANT_CONSTANT = 0.5  # standard deviation of a variant's own height
VARIANT_SLOPE = 0.1  # and of its own slope, per octave of steps


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
    return sum(_parts(scales, a, b)[0].values(), start=np.zeros((len(a), len(b))))


def within(scales: Scales, points: Points) -> Array:
    """Covariance of measured points, (n, n), with their noise."""
    return between(scales, points, points) + np.diag(_noise(scales, points))


def variances(scales: Scales, at: Points) -> Array:
    """Variance of each point, (n,), without noise."""
    slope = (np.log2(at.steps / REFERENCE_STEPS) * VARIANT_SLOPE) ** 2
    own = slope + VARIANT_CONSTANT**2 + scales.variant**2 if scales.variant else 0.0
    total: Array = scales.misfit**2 + scales.views**2 + own + scales.run**2 / at.replicates
    return total


def with_slopes(scales: Scales, points: Points) -> tuple[Array, list[Array]]:
    """`within`, and its derivatives by the logarithm of each scale, in order; those of lengths and deviations are
    (n, n), that of the noise too."""
    parts, squares = _parts(scales, points, points)
    shared = parts["misfit"] + parts["views"] + parts["variant"]
    noise = np.diag(_noise(scales, points))
    slopes = [
        2 * parts["misfit"],
        2 * parts["views"],
        2 * parts["variant"],
        shared * squares[0],
        shared * squares[1],
        shared * squares[3],
        2 * parts["run"],
        parts["run"] * squares[4],
        np.diag(2 * scales.noise**2 / points.replicates),
    ]
    return shared + parts["constant"] + parts["run"] + noise, slopes


def _noise(scales: Scales, points: Points) -> Array:
    noise: Array = points.variance + scales.noise**2 / points.replicates
    return noise


def _parts(scales: Scales, a: Points, b: Points) -> tuple[dict[str, Array], list[Array]]:
    """The covariance's parts by name, and squares of scaled distances over P, D, K, steps, and a run's steps."""
    x, y = coordinates(a), coordinates(b)
    lengths = (scales.length_P, scales.length_D, VIEWS_LENGTH, scales.length_steps)
    squares = [((x[:, None, i] - y[None, :, i]) / length) ** 2 for i, length in enumerate(lengths)]
    squares.append(((x[:, None, 3] - y[None, :, 3]) / scales.length_run) ** 2)
    near = np.exp(-0.5 * (squares[0] + squares[1] + squares[3]))
    same_run = (a.run[:, None] == b.run[None, :]) & (a.run[:, None] >= 0)
    weight = 1 / np.sqrt(a.replicates[:, None] * b.replicates[None, :])
    parts = {
        "misfit": scales.misfit**2 * near,
        "views": scales.views**2 * near * np.exp(-0.5 * squares[2]),
        "run": np.where(same_run, scales.run**2 * weight * np.exp(-0.5 * squares[4]), 0.0),
        "variant": np.zeros_like(near),
        "constant": np.zeros_like(near),
    }
    if scales.variant:
        same = a.variant[:, None] == b.variant[None, :]
        t, u = (np.log2(each.steps / REFERENCE_STEPS) for each in (a, b))
        parts["variant"] = np.where(same, scales.variant**2 * near, 0.0)
        parts["constant"] = np.where(same, VARIANT_CONSTANT**2 + VARIANT_SLOPE**2 * t[:, None] * u[None, :], 0.0)
    return parts, squares
