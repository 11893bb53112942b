"""Runs as points: windows at the ends of rungs, their noise, and curves that are pooled."""

import numpy as np
import pytest

from analysis.fitting.forecast.points import Points, places, pooled, relative_error, rung_windows, thinned
from tests.analysis.fitting.forecast.simulated_grids import simulated


def test_windows_are_the_last_twentieth_at_each_share_of_the_run():
    assert rung_windows(1600, 1600, 0) == [(95, 100), (190, 200), (380, 400), (760, 800), (1520, 1600)]


def test_a_run_on_its_way_has_the_windows_that_it_has_passed():
    assert rung_windows(400, 1600, 0) == [(95, 100), (190, 200), (380, 400)]
    assert rung_windows(399, 1600, 0) == [(95, 100), (190, 200)]


def test_no_window_begins_in_the_warm_up_or_ends_below_40_steps():
    assert rung_windows(1600, 1600, 300) == [(380, 400), (760, 800), (1520, 1600)]
    assert rung_windows(200, 200, 0) == [(48, 50), (95, 100), (190, 200)]
    assert rung_windows(20, 20, 30) == [(19, 20)]  # its end is a point whatever it is


def test_relative_error_of_independent_values_is_their_standard_error():
    rng = np.random.default_rng(0)
    found = [relative_error(5 + 0.1 * rng.standard_normal(400)) for _ in range(200)]
    assert np.mean(found) == pytest.approx(0.1 / 5 / 20, rel=0.1)
    assert relative_error(np.ones(3)) == 0.01  # too few to tell


def test_more_replicates_than_asked_for_are_pooled_to_their_means():
    points, _ = simulated("law", 0, seeds=5)
    few = pooled(points, 2)
    assert len(few) == 32 * 2 * 5
    setting = few[few.setting == 0]
    assert sorted(setting.replicates) == [2.0] * 5 + [3.0] * 5
    every = points[points.setting == 0]
    for steps in np.unique(every.steps):
        now, before = setting[setting.steps == steps], every[every.steps == steps]
        assert np.average(now.value, weights=now.replicates) == pytest.approx(before.value.mean())


def test_runs_of_other_lengths_are_not_pooled_with_each_other():
    points, _ = simulated("law", 0, seeds=3)
    short = points[~((points.run == 1) & (points.steps == points.steps[points.run == 1].max()))]
    lengths = {len(short[short.run == run]) for run in np.unique(pooled(short, 1).run)}
    assert lengths == {4, 5}


def test_settings_are_variant_p_d_and_k():
    at = places([64, 64, 64, 32], 64, [2, 2, 4, 2], 100, 0.1, [0, 1, 0, 0])
    assert len(set(at.setting)) == 4
    assert len(Points.concatenate([])) == 0


def test_thinned_runs_keep_their_last_points():
    points, _ = simulated("law", 0)
    few = thinned(points, 70)
    assert len(few) == 70 and len(thinned(points, 10)) == 32
    for run in range(32):
        mine, all_of_it = few.steps[few.run == run], points.steps[points.run == run]
        assert sorted(mine) == sorted(all_of_it)[-len(mine) :]
    assert thinned(points, 160) is points
