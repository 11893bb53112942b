"""The process: what it predicts against plain formulas, what it leaves out against a process without it, and that what
it says of simulated grids is true as often as it says."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.fitting.forecast import covariance
from analysis.fitting.forecast.calibration import calibrate
from analysis.fitting.forecast.points import places
from analysis.fitting.forecast.process import Process, fit_process
from analysis.fitting.forecast.trends import ScalingLaw
from tests.analysis.fitting.forecast.simulated_grids import KINDS, SIZES, simulated


@pytest.fixture(scope="module")
def grid():
    return simulated("misfit", 3)


@pytest.fixture(scope="module")
def process(grid):
    points, _ = grid
    known = points[points.run % 3 != 0]
    return fit_process(known, ScalingLaw.near(known))


def apart(points):
    """Those of settings that no process has seen, as expectations over runs."""
    return replace(points, run=np.full(len(points), -1), replicates=np.full(len(points), np.inf))


def test_predictions_are_those_of_the_normal_equations(grid, process):
    """By the most probable hyperparameters, against the textbook formula in full covariance matrices."""
    at, known = apart(grid[0][grid[0].run % 3 == 0][::5]), process.points
    lone = replace(process, samples=((process.mode, 1.0),))
    trend, theta = process.trend, process.theta
    (value, own), (there, slopes) = trend(theta, known), trend(theta, at)
    prior = np.diag(trend.prior_sd**2)
    total = covariance.within(process.mode, known) + own @ prior @ own.T
    cross = covariance.between(process.mode, known, at) + own @ prior @ slopes.T
    shift = trend.prior_mean - theta
    mean = there + slopes @ shift + cross.T @ np.linalg.solve(total, known.value - value - own @ shift)
    joint = (
        covariance.between(process.mode, at, at) + slopes @ prior @ slopes.T - cross.T @ np.linalg.solve(total, cross)
    )
    assert lone.predict(at)[0] == pytest.approx(mean, abs=1e-7)
    assert lone.predict(at)[1] == pytest.approx(np.diag(joint), rel=1e-5, abs=1e-9)
    assert lone.joint(at) == pytest.approx(joint, abs=1e-7)


def test_what_is_left_out_is_what_a_process_without_it_says(process):
    block = process.settings_apart()[4]
    rest = np.setdiff1d(np.arange(len(process.points)), block)
    without = replace(process, points=process.points[rest], samples=((process.mode, 1.0),))
    mean, variance = without.predict(process.points[block])
    residuals, spread = process.left_out(block)
    assert process.points.value[block] - residuals == pytest.approx(mean, abs=1e-6)
    noise = process.points.variance[block] + process.mode.noise**2
    assert np.diag(spread) == pytest.approx(variance + noise, rel=1e-4)


def test_each_setting_is_left_out_as_alone_and_several_together_as_one_block(process):
    apart = process.settings_apart()
    each = process.each_left_out
    for number, block in enumerate(apart):
        residuals, spread = process.left_out(block)
        points, weight = process.points[block], process.points.last[block]
        assert weight.sum() == pytest.approx(1) and (points.steps[weight > 0] == points.steps.max()).all()
        assert each.measured[number] == pytest.approx(weight @ points.value)
        assert each.measured[number] - each.predicted[number] == pytest.approx(weight @ residuals)
        assert each.sd[number] == pytest.approx(np.sqrt(weight @ spread @ weight))
        assert each.at.P[number] == points.P[0] and each.at.steps[number] == points.steps.max()
    together, index = process.left_out_together(apart[2:5]), np.concatenate(apart[2:5])
    residuals, spread = process.left_out(index)
    weight = np.where(np.isin(index, apart[3]), process.points.last[index], 0.0)
    assert together.measured[1] - together.predicted[1] == pytest.approx(weight @ residuals)
    assert together.sd[1] == pytest.approx(np.sqrt(weight @ spread @ weight))
    assert together.measured == pytest.approx(each.measured[2:5])


def test_a_begun_run_is_known_better_than_its_setting_and_a_setting_better_than_another_run(process):
    number = process.points.run[0]
    first = process.points[[0]]
    end = places(first.P, first.D, first.K, 4 * first.steps, first.baseline)
    begun, other = (replace(end, run=np.array([run]), replicates=np.ones(1)) for run in (number, -1))
    variances = [process.predict(at)[1][0] for at in (end, begun, other)]
    assert variances[2] > max(variances[:2])


def test_all_that_is_predicted_of_the_whole_grid_is_close(grid, process):
    points, truth = grid
    last = np.flatnonzero((points.run % 3 == 0) & (points.steps == np.array(
        [points.steps[points.run == run].max() for run in points.run])))  # fmt: skip
    mean, _ = process.predict(apart(points[last]))
    assert np.sqrt(((mean - truth[last]) ** 2).mean()) < 0.03


@pytest.mark.parametrize("kind", KINDS[:2])
def test_intervals_hold_as_often_as_they_say(kind):
    inside = []
    for seed in range(6):
        points, truth = simulated(kind, seed)
        seen = np.isin(points.run, np.random.default_rng(seed).permutation(32)[:20])
        process = fit_process(points[seen], ScalingLaw.near(points[seen]))
        ends = np.flatnonzero(~seen)[4::5]
        mean, variance = process.predict(apart(points[ends]))
        inside += list(abs(mean - truth[ends]) <= calibrate(process).half_width(np.sqrt(variance)))
    assert 0.88 <= np.mean(inside) <= 1.0


def test_the_same_points_give_the_same_process(grid):
    points = grid[0][:60]
    one, other = (fit_process(points, ScalingLaw.near(points)) for _ in range(2))
    assert one.samples == other.samples and (one.theta == other.theta).all()


def test_without_points_the_prior_speaks():
    nothing = places(*np.zeros((5, 0)))
    process = fit_process(nothing, ScalingLaw.near(nothing))
    assert isinstance(process, Process)
    mean, variance = process.predict(places(64, SIZES, 2, 1000, 0.1))
    assert (variance > 0.1).all() and np.isfinite(mean).all()
