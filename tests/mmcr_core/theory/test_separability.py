"""Separable labelings against counts, Cover's sum and a linear program."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.special import comb

from mmcr_core.theory import linearly_separable, separable_probability


@pytest.mark.parametrize(("P", "N"), [(1, 1), (5, 7), (6, 3), (7, 1), (20, 10), (31, 12), (60, 20)])
def test_the_share_of_separable_labelings_is_the_sum_of_cover(P, N):
    assert separable_probability(P, N) == pytest.approx(
        sum(comb(P - 1, k) for k in range(N)) / 2.0 ** (P - 1), abs=1e-12
    )


def test_half_of_the_labelings_are_separable_at_two_points_a_dimension():
    N = np.array([1, 5, 40, 1000, 10**6])
    np.testing.assert_allclose(separable_probability(2 * N, N), 0.5, rtol=1e-9)
    assert np.all(np.diff(separable_probability(np.linspace(1, 60, 400), 10)) <= 0)
    assert separable_probability(1.9e4, 1e4) > 1 - 1e-6 > 1e-6 > separable_probability(2.1e4, 1e4)
    for bad in ((0, 3), (3, 0), (np.nan, 3)):
        with pytest.raises(ValueError, match="positive"):
            separable_probability(*bad)


def test_all_labelings_of_a_few_points_are_counted_right():
    """2 (n_0 + ... ) of Cover's theorem, by trying every one of them."""
    rng = np.random.default_rng(0)
    for P, N in ((5, 2), (6, 3), (7, 5)):
        points = rng.standard_normal((P, N))
        labels = 1 - 2 * ((np.arange(2**P)[:, None] >> np.arange(P)) & 1)
        assert np.mean([linearly_separable(points, y) for y in labels]) == separable_probability(P, N)


@given(P=st.integers(1, 30), D=st.integers(1, 15), seed=st.integers(0, 10_000), scale=st.floats(1e-30, 1e30))
@settings(max_examples=60)
def test_separability_is_what_a_linear_program_finds(P, D, seed, scale):
    rng = np.random.default_rng(seed)
    points, labels = rng.standard_normal((P, D)), rng.choice((-1.0, 1.0), P)
    sides = -points * labels[:, None]
    program = linprog(np.zeros(D), A_ub=sides, b_ub=-np.ones(P), bounds=(None, None))
    assert linearly_separable(scale * points, labels) == (program.status == 0)


def test_points_on_the_hyperplane_are_on_no_side():
    plane = np.array([[1.0, 0], [-1, 0], [0, 1]])
    assert not linearly_separable(plane, [1, 1, 1])
    assert linearly_separable(plane, [1, -1, 1])
    assert not linearly_separable(np.zeros((2, 3)), [1, -1])
    assert not linearly_separable(np.ones((2, 3)), [1, -1])
