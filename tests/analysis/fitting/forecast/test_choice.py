"""What a measurement is expected to take away, against a process that has it."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.fitting.forecast.choice import NOISE, ExpectedFalls
from analysis.fitting.forecast.points import Points, places
from analysis.fitting.forecast.process import fit_process
from analysis.fitting.forecast.trends import ScalingLaw
from tests.analysis.fitting.forecast.simulated_grids import simulated


@pytest.fixture(scope="module")
def process():
    points, _ = simulated("misfit", 0)
    known = points[points.run % 4 == 0]
    return replace(found := fit_process(known, ScalingLaw.near(known)), samples=((found.mode, 1.0),))


def test_falls_are_differences_of_variances_before_and_after(process):
    targets = places([32, 128, 256], [256, 64, 256], 2, 1000, 0.1)
    candidates = places([64, 256], [64, 128], [2, 4], [300, 600], 0.1, 0, [101, 102], 1.0)
    running = places(128, 128, 2, 500, 0.1, 0, 103, 1.0)
    weights = np.array([1.0, 0.0, 2.0])

    def variance(*more):
        measured = [replace(point, value=np.zeros(1), variance=np.full(1, NOISE**2)) for point in more]
        known = Points.concatenate([process.points, *measured])
        return replace(process, points=known).predict(targets)[1] @ weights

    falls = ExpectedFalls(process, targets, candidates)(weights, running)
    for number in range(2):
        fall = variance(running) - variance(running, candidates[[number]])
        assert falls[number] == pytest.approx(fall, rel=1e-3)


def test_what_is_running_takes_away_what_it_tells(process):
    targets = places(64, [32, 64, 128], 2, 1000, 0.1)
    same = places(64, 64, 2, 1000, 0.1, 0, [101, 102], 1.0)
    lone = ExpectedFalls(process, targets, same[[1]])(np.ones(3))
    after = ExpectedFalls(process, targets, same[[1]])(np.ones(3), same[[0]])
    assert after[0] < 0.5 * lone[0]
