"""The smooth mean of a forecast: a scaling law of percent errors, or a quadratic of what has no law.

Parameters have Gaussian priors and enter linearly, around where they are: their uncertainty is then a covariance of the
predictions like any other, and a few cells do not determine what they cannot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from analysis.fitting.forecast.points import Array, Points

REFERENCE_STEPS = 256.0


class Trend(Protocol):
    """A function of places with parameters theta (k,), of which `prior_mean` and `prior_sd` (k,) are known."""

    @property
    def prior_mean(self) -> Array: ...

    @property
    def prior_sd(self) -> Array: ...

    def __call__(self, theta: Array, at: Points) -> tuple[Array, Array]:
        """Values (n,) and their derivatives by the parameters (n, k)."""


@dataclass(frozen=True)
class ScalingLaw:
    """log e of e = e_inf(P, D) + exp(g(P, D, K)) ((steps + s0(P, D, K)) / 256)^-alpha, where log s0 is linear in p, d
    and k, and g quadratic in p and d, linear in k and in |p - d|; p = log2(P / 64), d = log2(D / 64), k = 1 - 2 / K.

    The joint scaling law of `estimates.joint_scaling_law` above the uniform baseline, with curvature that its prior
    shrinks, since curvature describes a grid better and extrapolates worse.
    """

    prior_mean: Array
    prior_sd: Array

    @classmethod
    def near(cls, points: Points) -> ScalingLaw:
        """With the priors that reference sweeps taught (see `priors`), at the height of these points."""
        mean, sd = (np.array(column) for column in zip(*LAW_PRIOR.values(), strict=True))
        if len(points):
            above = np.maximum(np.exp(points.value) - points.baseline, 0.2 * np.exp(points.value))
            offset = np.exp(mean[9])
            mean[0] = np.median(np.log(above) + mean[8] * np.log((points.steps + offset) / REFERENCE_STEPS))
        return cls(mean, sd)

    def __call__(self, theta: Array, at: Points) -> tuple[Array, Array]:
        p, d, k, _ = coordinates(at).T
        p, d, k = p - 6, d - 6, 1 - k
        ones, shift = np.ones_like(p), np.stack([np.ones_like(p), p, d, k], axis=1)
        height = np.stack([ones, p, d, k, np.abs(p - d), p**2, d**2, p * d], axis=1)
        alpha, offset = theta[8], np.exp(shift @ theta[9:])
        decay = np.log((at.steps + offset) / REFERENCE_STEPS)
        above = np.exp(np.clip(height @ theta[:8] - alpha * decay, -30, 3))
        error = at.baseline + above
        by_offset = (-alpha * offset / (at.steps + offset))[:, None] * shift
        slopes = np.concatenate([height, -decay[:, None], by_offset], axis=1)
        return np.log(error), slopes * (above / error)[:, None]


# Prior mean and standard deviation of each parameter; exponents per octave of P and D.
LAW_PRIOR = {
    "height": (-1.5, 2.0),
    "p": (0.0, 0.3),
    "d": (0.0, 0.3),
    "k": (0.3, 0.4),
    "aspect": (0.0, 0.3),
    "p2": (0.0, 0.03),
    "d2": (0.0, 0.03),
    "pd": (0.0, 0.03),
    "alpha": (0.4, 0.2),
    "log_s0": (np.log(30.0), 1.5),
    "s0_p": (0.0, 0.35),
    "s0_d": (0.0, 0.35),
    "s0_k": (0.0, 0.35),
}


@dataclass(frozen=True)
class Quadratic:
    """Of the logit of a measure: linear in p, d, k, |p - d| and t = log2(steps / 256), and quadratic in t."""

    prior_mean: Array
    prior_sd: Array

    @classmethod
    def near(cls, points: Points) -> Quadratic:
        """With wide priors, at the height of these points."""
        height, spread = (np.median(points.value), points.value.std()) if len(points) else (0.0, 1.0)
        spread = max(float(spread), 0.1)
        return cls(
            np.array([height, *np.zeros(6)]),
            np.array([2.0, 0.3, 0.3, 0.5, 0.3, 0.3, 0.05]) * spread,
        )

    def __call__(self, theta: Array, at: Points) -> tuple[Array, Array]:
        p, d, k, t = coordinates(at).T
        p, d, k, t = p - 6, d - 6, 1 - k, t - np.log2(REFERENCE_STEPS)
        slopes = np.stack([np.ones_like(p), p, d, k, np.abs(p - d), t, t**2], axis=1)
        return slopes @ theta, slopes


def coordinates(at: Points) -> Array:
    """log2 P, log2 D, 2 / K and log2 steps, (n, 4): octaves, and what views tell (the mean cosine between two views of
    an image enters 1 - r^2 with 1 - 1 / K)."""
    return np.stack([np.log2(at.P), np.log2(at.D), 2 / at.K, np.log2(at.steps)], axis=1)
