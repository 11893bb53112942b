"""Scales of predictions: their inverses and slopes, against differences, and which quantity has which."""

import numpy as np
import pytest

from analysis.fitting.forecast.points import places
from analysis.fitting.forecast.scales import LEAST, Scale, shrunken
from analysis.fitting.forecast.trends import Quadratic, ScalingLaw

NUMBERS = np.array([0.003, 0.2, 0.5, 0.97])


@pytest.mark.parametrize("scale", Scale)
def test_slopes_are_those_of_the_inverse(scale):
    values, step = scale.transform(NUMBERS), 1e-6
    assert scale.inverse(values) == pytest.approx(NUMBERS, rel=1e-12)
    slopes = (scale.inverse(values + step) - scale.inverse(values - step)) / (2 * step)
    assert scale.slope(NUMBERS) == pytest.approx(slopes, rel=1e-6)
    assert scale.unit(values, relative=False) == pytest.approx(slopes, rel=1e-6)
    assert scale.unit(values, relative=True) == pytest.approx(slopes / NUMBERS, rel=1e-6)


def test_a_relative_error_is_the_log_itself():
    assert Scale.LOG.unit(np.log(NUMBERS), relative=True) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("scale", Scale)
def test_numbers_at_the_ends_have_finite_values(scale):
    values = scale.transform(np.array([0.0, 1.0]))
    assert np.isfinite(values).all() and values[0] == pytest.approx(np.log(LEAST), abs=1e-6)
    assert (scale.slope(np.array([0.0, 1.0])) > 0).all()


def test_only_the_percent_error_of_mmcr_has_a_law():
    assert Scale.of("percent_error", "mmcr") is Scale.LOG
    assert Scale.of("percent_error", "simclr") is Scale.of("knn_accuracy", "mmcr") is Scale.LOGIT
    at = places(64, 64, 2, 100, 0.1)
    assert [type(scale.trend(at[[]])) for scale in (Scale.LOG, Scale.LOGIT)] == [ScalingLaw, Quadratic]


def test_none_of_ten_is_half_of_eleven():
    assert shrunken(np.array([0.0, 1.0]), np.array([10.0, 10.0])) == pytest.approx([0.5 / 11, 10.5 / 11])
