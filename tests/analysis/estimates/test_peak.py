"""Peaks that are there are found where they are; others are not."""

import numpy as np
import pandas as pd
import pytest

from analysis.estimates.peak import find_peak, peak_table
from mmcr_core.theory import expected_percent_error

P = np.array([16, 32, 64, 128, 256])


def test_the_theory_curve_peaks_at_p_equal_d():
    peak = find_peak(P, 64, expected_percent_error(P, 64))
    assert peak.found and peak.largest_at == 0
    assert peak.location == pytest.approx(0, abs=1e-9)
    assert peak.height == pytest.approx(0.1512, abs=1e-3)
    assert peak.prominence == pytest.approx(peak.height - expected_percent_error(16, 64), abs=1e-9)


def test_a_shifted_parabola_is_located_between_the_grid_points():
    at = np.log2(P / 64)
    peak = find_peak(P, 64, 0.3 - 0.02 * (at - 0.3) ** 2, error_std=np.full(5, 0.001))
    assert peak.location == pytest.approx(0.3, abs=1e-9)
    low, high = peak.interval
    assert low < 0.3 < high and high - low < 0.3


@pytest.mark.slow
def test_intervals_hold_the_truth_about_as_often_as_they_say():
    at, rng, held = np.log2(P / 64), np.random.default_rng(0), 0
    for _ in range(200):
        error = 0.3 - 0.02 * (at - 0.2) ** 2 + 0.002 * rng.standard_normal(5)
        low, high = find_peak(P, 64, error, error_std=np.full(5, 0.002)).interval
        held += low <= 0.2 <= high
    assert 0.9 <= held / 200 <= 1.0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.5], "at the edge"),
        ([0.5, 0.4, 0.3, 0.2, 0.1], "at the edge"),
        ([0.2, 0.2, 0.2, 0.2, 0.2], "at the edge|within the noise"),
        ([0.2, 0.2, 0.201, 0.2, 0.2], "within the noise"),
    ],
)
def test_monotone_and_flat_errors_have_no_peak(error, reason):
    peak = find_peak(P, 64, error, error_std=np.full(5, 0.01))
    assert not peak.found
    assert np.isnan(peak.location)
    import re

    assert re.search(reason, peak.reason)


def test_one_or_two_points_have_no_peak():
    assert "at least 3" in find_peak([64], [64], [0.2]).reason
    assert "at least 3" in find_peak([64, 128], [64, 64], [0.2, 0.1]).reason


def test_seeds_are_replicates():
    rng = np.random.default_rng(0)
    points = np.repeat(P, 4)
    error = expected_percent_error(points, 64) + 0.002 * rng.standard_normal(20)
    peak = find_peak(points, 64, error)
    assert peak.found and peak.location == pytest.approx(0, abs=0.05)
    assert peak.interval[0] < peak.location < peak.interval[1]


def test_noise_alone_has_hardly_ever_a_peak():
    rng = np.random.default_rng(0)
    found = [
        find_peak(P, 64, 0.2 + 0.01 * rng.standard_normal(5), error_std=np.full(5, 0.01)).found for _ in range(200)
    ]
    assert np.mean(found) < 0.35  # the largest of five is interior 3 times in 5; noise rarely makes it prominent


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="one length"):
        find_peak([1, 2, 3], [1, 1, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match="finite"):
        find_peak([1, 2, 3], [1, 1, 1], [0.1, np.nan, 0.1])


def test_the_table_has_a_row_for_each_row_and_column_of_the_grid():
    sizes = (32, 64, 128)
    runs = pd.DataFrame(
        [
            {
                "variant": "mmcr",
                "K": 2,
                "P": P,
                "D": D,
                "run_id": f"{P}-{D}",
                "percent_error": expected_percent_error(P, D),
            }
            for P in sizes
            for D in sizes
        ]
    )
    table = peak_table(runs)
    assert len(table) == 6
    assert (table["largest_at"] == 0).all()
    assert table.loc[table["found"], "at"].tolist() == [64, 64]


@pytest.mark.parametrize("std", [None, np.full(5, np.nan), np.array([0.01, np.nan, 0.01, 0.01, 0.01])])
def test_without_a_measure_of_noise_a_peak_has_no_interval_and_no_p_value(std):
    peak = find_peak(P, 64, [0.1, 0.15, 0.3, 0.2, 0.15], error_std=std)
    assert peak.found and np.isfinite(peak.location) and "noise may explain it" in peak.reason
    assert np.isnan(peak.interval).all() and np.isnan(peak.p_value)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"points": -P}, "positive and finite"),
        ({"dims": 0}, "positive and finite"),
        ({"points": [], "error": []}, "one error be given"),
        ({"error_std": np.full(5, -0.01)}, "error_std must be 0 or more"),
        ({"bootstrap": -1}, "bootstrap is -1"),
    ],
)
def test_what_cannot_be_measured_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        find_peak(**{"points": P, "dims": 64, "error": np.full(5, 0.2), **wrong})
