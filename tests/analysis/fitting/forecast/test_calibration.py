"""Calibration: intervals widen where what was left out lies outside, and never narrow."""

import numpy as np
import pytest
from scipy import stats

from analysis.fitting.forecast.calibration import Calibration, calibrate
from analysis.fitting.forecast.process import fit_process
from analysis.fitting.forecast.trends import ScalingLaw
from tests.analysis.fitting.forecast.simulated_grids import simulated


@pytest.fixture(scope="module")
def process():
    points, _ = simulated("law", 0)
    return fit_process(points, ScalingLaw.near(points))


def test_predictions_that_missed_before_widen_intervals(process):
    calm, missed = calibrate(process), calibrate(process, np.full(60, 3.0))
    assert 1 <= calm.factor < 1.3 < missed.factor < 3
    assert missed.residuals == calm.residuals + 60 and not missed.few


def test_intervals_are_never_narrower_than_the_process_says(process):
    assert calibrate(process, np.zeros(500)).factor == 1.0


def test_half_widths_are_those_of_students_t():
    half = Calibration(1.5, 12, 5).half_width(np.array([0.02]), 0.8)
    assert half == pytest.approx(1.5 * 0.02 * stats.t.ppf(0.9, 12))
    assert Calibration(1.5, 12, 18).few and not Calibration(1.5, 12, 19).few
