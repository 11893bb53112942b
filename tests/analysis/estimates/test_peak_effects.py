"""What differs at P = D, with intervals: of known size."""

import numpy as np
import pandas as pd
import pytest

from analysis.estimates.peak_effects import contrast, rise_at_diagonal, slope_at_diagonal
from mmcr_core.theory import expected_percent_error
from tests.analysis.known_diagonal import exponents, runs


def test_a_valley_at_the_diagonal_is_no_rise():
    assert rise_at_diagonal(runs(lambda P, D: 0.3 - expected_percent_error(P, D))).high < 0


def test_the_rise_is_that_above_the_neighbors_on_both_sides():
    rise = rise_at_diagonal(runs(expected_percent_error, noise=0.0))
    assert rise.mean == pytest.approx(expected_percent_error(1, 1) - expected_percent_error(1, 2))
    assert (rise.cells, rise.seeds, rise.over) == (2, 3, "seeds")  # the corners have neighbors on one side only


def test_a_contrast_is_students_t():
    units = pd.DataFrame({"cell": [1, 2, 3, 4], "seed": 0, "value": [0.1, 0.2, 0.3, 0.2]})
    ours = contrast(units)
    half = 3.1824463 * np.std(units["value"], ddof=1) / 2
    assert (ours.low, ours.high) == pytest.approx((0.2 - half, 0.2 + half))
    assert ours.effect == pytest.approx(0.2 / np.std(units["value"], ddof=1) * (1 - 3 / 11))
    assert ours.over == "cells"


def test_nothing_measured_is_no_contrast():
    empty = contrast(pd.DataFrame({"cell": [], "seed": [], "value": []}))
    assert empty.cells == 0 and np.isnan(empty.mean)


def test_the_slope_contrast_is_free_of_effects_of_p_and_d():
    table = exponents(lambda P, D, irreducible: 0.1 + 0.02 * np.log2(P) + 0.01 * np.log2(D), noise=0.0)
    corner_to_corner = slope_at_diagonal(table, ("none", "none"))
    assert abs(corner_to_corner.mean) < 1e-9
