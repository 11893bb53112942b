"""Trends: their derivatives against finite differences, and the law against its formula."""

import numpy as np
import pytest

from analysis.fitting.forecast.trends import Quadratic, ScalingLaw
from tests.analysis.fitting.forecast.simulated_grids import simulated


@pytest.mark.parametrize("kind", [ScalingLaw, Quadratic])
def test_derivatives_are_those_of_finite_differences(kind):
    points, _ = simulated("law", 1)
    trend = kind.near(points)
    theta = trend.prior_mean + 0.3 * trend.prior_sd * np.random.default_rng(0).standard_normal(len(trend.prior_mean))
    _, slopes = trend(theta, points)
    for i in range(len(theta)):
        step = np.eye(len(theta))[i] * 1e-6
        numeric = (trend(theta + step, points)[0] - trend(theta - step, points)[0]) / 2e-6
        assert slopes[:, i] == pytest.approx(numeric, abs=1e-6)


def test_the_law_is_a_power_of_shifted_steps_above_the_baseline():
    points, _ = simulated("law", 1)
    theta = np.array([-1.0, 0.1, -0.2, 0.3, 0.05, 0.01, -0.01, 0.02, 0.5, 3.0, 0.2, -0.1, 0.1])
    value, _ = ScalingLaw.near(points)(theta, points)
    p, d, k = np.log2(points.P / 64), np.log2(points.D / 64), 1 - 2 / points.K
    height = -1 + 0.1 * p - 0.2 * d + 0.3 * k + 0.05 * abs(p - d) + 0.01 * p**2 - 0.01 * d**2 + 0.02 * p * d
    offset = np.exp(3 + 0.2 * p - 0.1 * d + 0.1 * k)
    error = points.baseline + np.exp(height) * ((points.steps + offset) / 256) ** -0.5
    assert value == pytest.approx(np.log(error))
