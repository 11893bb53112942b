"""Intervals against published values and by how often they hold the truth."""

import numpy as np
import pytest
from scipy import stats

from mmcr_core.evaluation.confidence_intervals import Measure, deviation, gain_of, jackknife, mean_of, share_of


def paired(both, new, lost, neither):
    now = np.repeat([True, True, False, False], [both, new, lost, neither])
    before = np.repeat([True, False, True, False], [both, new, lost, neither])
    return now, before


def test_a_gain_has_newcombes_interval_for_paired_shares():
    """The worked example of Fagerland, Lydersen and Laake 2014, 21 children before and after a transplantation."""
    measured = gain_of("gain", *paired(1, 1, 7, 12))
    assert measured.value == pytest.approx(-6 / 21)
    assert (measured.low, measured.high) == pytest.approx((-0.507, -0.026), abs=5e-4)
    assert measured.count == 21


@pytest.mark.parametrize(
    ("shares", "count"), [((0.7, 0.12, 0.03), 360), ((0.9, 0.05, 0.01), 360), ((0.5, 0.1, 0.1), 60)]
)
def test_the_interval_of_a_gain_holds_the_truth_as_often_as_it_says(shares, count):
    rng, (both, new, lost) = np.random.default_rng(0), shares
    held = 0
    for table in rng.multinomial(count, (both, new, lost, 1 - both - new - lost), size=500):
        measured = gain_of("gain", *paired(*table))
        held += measured.low <= new - lost <= measured.high
    assert 0.92 <= held / 500 <= 0.985


@pytest.mark.parametrize("table", [(10, 0, 0, 0), (0, 0, 0, 10), (5, 0, 0, 5), (0, 10, 0, 0), (1, 0, 0, 0)])
def test_extreme_hits_have_an_interval_inside_its_range(table):
    measured = gain_of("gain", *paired(*table))
    assert -1 <= measured.low <= measured.value <= measured.high <= 1


def test_pairing_makes_the_interval_of_a_gain_narrower_than_two_shares_would():
    now, before = paired(300, 20, 5, 35)
    rng = np.random.default_rng(0)
    apart = gain_of("gain", now, rng.permutation(before))
    measured = gain_of("gain", now, before)
    assert measured.high - measured.low < 0.7 * (apart.high - apart.low)
    assert measured.low > 0


def test_shares_and_means_have_their_intervals():
    hits = np.arange(50) < 40
    measured = share_of("accuracy", hits, "5 labels a class")
    p, n, z = 0.8, 50, stats.norm.ppf(0.975)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / 4 / n**2)
    center = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    assert (measured.low, measured.high) == pytest.approx((center - half, center + half))
    assert measured.title == "accuracy of 5 labels a class"
    values = np.random.default_rng(0).standard_normal(12)
    mean = mean_of("mean", values)
    assert (mean.low, mean.high) == pytest.approx(stats.t.interval(0.95, 11, values.mean(), stats.sem(values)))
    assert deviation(mean) == pytest.approx(values.std(ddof=1))
    assert mean_of("mean", [3.0]) == Measure("mean", 3.0, count=1)
    assert mean_of("mean", [3.0]).title == "mean"


def test_the_jackknife_of_a_mean_is_students_interval_of_its_groups():
    values = np.random.default_rng(1).standard_normal((10, 7))
    without = [np.delete(values, group, axis=0).mean() for group in range(10)]
    measured = jackknife("mean", values.mean(), without, values.size)
    expected = stats.t.interval(0.95, 9, values.mean(), stats.sem(values.mean(axis=1)))
    assert (measured.low, measured.high) == pytest.approx(expected)
