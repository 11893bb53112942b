"""Covariances: positive, with derivatives that finite differences confirm."""

import numpy as np
import pytest

from analysis.fitting.forecast import covariance
from analysis.fitting.forecast.covariance import Scales
from analysis.fitting.forecast.points import places
from tests.analysis.fitting.forecast.simulated_grids import simulated

SCALES = Scales(0.05, 0.04, 0.06, 2.0, 1.5, 4.0, 0.012, 2.0, 0.004)


@pytest.fixture
def points():
    from dataclasses import replace

    found = simulated("law", 0, seeds=2)[0][:60]
    return replace(found, variant=np.arange(60) // 30)


def test_derivatives_by_log_scales_are_those_of_finite_differences(points):
    total, slopes = covariance.with_slopes(SCALES, points)
    assert total == pytest.approx(covariance.within(SCALES, points))
    logs = np.log(SCALES)
    for i, slope in enumerate(slopes):
        step = np.eye(len(logs))[i] * 1e-5
        ends = [covariance.within(Scales(*np.exp(logs + sign * step)), points) for sign in (1, -1)]
        assert slope == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-9), Scales._fields[i]


def test_covariances_are_symmetric_and_positive(points):
    total = covariance.within(SCALES, points)
    assert total == pytest.approx(total.T)
    assert np.linalg.eigvalsh(total).min() > 0


def test_variances_are_the_diagonal(points):
    noise = points.variance + SCALES.noise**2
    assert covariance.variances(SCALES, points) == pytest.approx(np.diag(covariance.within(SCALES, points)) - noise)


def test_an_expectation_has_no_deviation_of_a_run_and_shares_none():
    run, expected = (places(64, 64, 2, 100, 0.1, 0, number, count) for number, count in ((3, 1.0), (-1, np.inf)))
    assert covariance.variances(SCALES, run) - covariance.variances(SCALES, expected) == pytest.approx(SCALES.run**2)
    assert covariance.between(SCALES, run, run) - covariance.between(SCALES, run, expected) == pytest.approx(
        SCALES.run**2
    )
