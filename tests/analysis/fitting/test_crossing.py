"""Crossings of differences: known ones come back, inside intervals that hold them as often as they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.fitting.crossing import STEPS, find_crossing, sign_changes

X = np.arange(5.0, 11.0)  # log2 of 32 to 1024


def falling(at):
    """Straight, from above 0 to below it."""
    return 0.1 * (at - X)


@given(at=st.floats(5.1, 9.9), scale=st.floats(1e-3, 1e6), seeds=st.integers(2, 6))
def test_a_crossing_of_all_seeds_is_found_where_it_is_whatever_the_units(at, scale, seeds):
    found = find_crossing(X, np.outer(1 + 1e-3 * np.arange(seeds), scale * falling(at)))
    assert found.kind == "once" and found.location == pytest.approx(at, abs=1e-6)
    assert at - 2 / STEPS <= found.low <= found.location <= found.high <= at + 2 / STEPS


@given(st.lists(st.floats(-1, 1), min_size=12, max_size=12).map(lambda values: np.reshape(values, (2, 6))))
def test_the_other_way_round_it_is_the_same_crossing(differences):
    one, other = find_crossing(X, differences), find_crossing(X, -differences)
    assert one.kind == other.kind and (one.signs == -other.signs).all()
    np.testing.assert_array_equal([one.location, one.low, one.high], [other.location, other.low, other.high])


def test_intervals_hold_the_true_crossing_as_often_as_they_say_also_where_seeds_shift_all_sizes_together():
    rng, inside, found = np.random.default_rng(0), 0, 0
    for at in rng.uniform(6, 9, 400):
        together, apart = 0.012 * rng.standard_normal((3, 1)), 0.012 * rng.standard_normal((3, 6))
        crossing = find_crossing(X, falling(at) + together + apart)
        found += crossing.kind == "once"
        inside += crossing.kind == "once" and crossing.low <= at <= crossing.high
    assert found > 360
    assert 0.92 < inside / found < 0.98


def test_seeds_that_tie_leave_it_undecided():
    assert find_crossing(X, np.tile(falling(7.5), (3, 1))).kind == "undecided"


def test_noise_alone_seldom_crosses():
    rng = np.random.default_rng(0)
    kinds = [find_crossing(X, rng.standard_normal((3, 6))).kind for _ in range(400)]
    assert sum(kind in ("once", "more than once", "never") for kind in kinds) < 0.05 * 400


def test_one_sign_at_all_places_is_never_and_a_doubtful_end_is_undecided():
    rng = np.random.default_rng(0)
    apart = find_crossing(X, 0.1 + 0.001 * rng.standard_normal((3, 6)))
    assert apart.kind == "never" and (apart.signs == 1).all() and np.isnan(apart.location)
    doubtful = find_crossing(X, np.array([[0.1] * 5 + [0.02], [0.11] * 5 + [-0.01]]))
    assert doubtful.kind == "undecided" and doubtful.signs[-1] == 0 and np.isnan(doubtful.low)


@given(st.lists(st.floats(-1, 1), min_size=18, max_size=18).map(lambda values: np.reshape(values, (3, 6))))
def test_a_location_lies_within_its_interval_and_that_between_the_clear_signs(differences):
    found = find_crossing(X, differences)
    if found.kind == "once":
        first, last = np.flatnonzero(found.signs)[[0, -1]]
        assert X[first] <= found.low <= found.location <= found.high <= X[last]


def test_there_and_back_is_more_than_once():
    wave = np.array([0.1, -0.1, -0.1, -0.1, 0.1, 0.1])
    assert find_crossing(X, np.stack([wave, 1.01 * wave])).kind == "more than once"


def test_one_replicate_has_a_location_but_no_interval():
    found = find_crossing(X, falling(7.25)[None])
    assert found.kind == "no interval" and found.location == pytest.approx(7.25)
    assert np.isnan([found.low, found.high]).all() and not found.signs.any()


def test_one_place_has_no_crossing():
    assert find_crossing(X[:1], np.array([[0.1], [0.11]])).kind == "never"


def test_a_stretch_of_zeros_is_crossed_in_its_middle_and_touching_zero_is_no_crossing():
    assert sign_changes(X, np.array([1.0, 0, 0, -2, -1, -1])).tolist() == [6.5]
    assert sign_changes(X, np.array([1.0, 0, 1, 2, 1, 0])).tolist() == []


@pytest.mark.parametrize(
    ("x", "differences"),
    [
        (X, np.zeros((0, 6))),
        (X, np.zeros(6)),
        (X, np.zeros((2, 5))),
        (X[::-1], np.ones((2, 6))),
        (X, np.full((2, 6), np.nan)),
    ],
)
def test_what_cannot_be_judged_is_refused(x, differences):
    with pytest.raises(ValueError, match=r"places|finite"):
        find_crossing(x, differences)
