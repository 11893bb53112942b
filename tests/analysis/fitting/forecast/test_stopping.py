"""Targets: of all settings together, or of each."""

import numpy as np
import pytest

from analysis.fitting.forecast.stopping import Target
from analysis.fitting.forecast.target_text import parse_target


def test_a_target_of_the_mean_looks_at_the_root_mean_square_and_at_the_worst():
    target = Target(0.05)
    assert target.distance(np.array([0.03, 0.04]), np.array([0.06, 0.08])) == pytest.approx(np.sqrt(0.00125) / 0.05)
    assert target.distance(np.array([0.01, 0.1]), np.array([0.02, 0.3])) == pytest.approx(2)
    assert target.distance(np.array([]), np.array([])) == 0


def test_a_target_of_each_looks_at_the_worst_and_weighs_those_that_are_not_there():
    target = Target(0.05, largest=True)
    assert target.distance(np.array([0.01, 0.02]), np.array([0.02, 0.04])) == pytest.approx(0.8)
    assert target.weights(np.array([0.02, 0.06])).tolist() == [0, 1]
    assert Target(0.05).weights(np.array([0.02, 0.06])).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("text", "is_"),
    [
        ("5%", ("percent_error", Target(0.05))),
        ("max:2.5%", ("percent_error", Target(0.025, True))),
        ("knn_accuracy=0.01", ("knn_accuracy", Target(0.01))),
        ("max:zero_shot_top1=.02", ("zero_shot_top1", Target(0.02, True))),
    ],
)
def test_targets_are_read(text, is_):
    assert parse_target(text) == is_


@pytest.mark.parametrize(
    "text", ["", "5", "0%", "100%", "-5%", "max:", "speed=0.1", "percent_error=0.1", "knn_accuracy=2"]
)
def test_other_texts_are_refused_in_a_sentence(text):
    with pytest.raises(ValueError, match=r"use (5%|one of)|less than 1"):
        parse_target(text)
