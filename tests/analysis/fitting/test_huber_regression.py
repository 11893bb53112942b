"""The two laws' derivatives, and the batched Huber solver against scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from analysis.fitting.functional_forms import log_irreducible, offset_law, product_law, sum_law
from analysis.fitting.huber_regression import huber_fits, information_criterion, percentiles

U = np.random.default_rng(0).standard_normal((30, 2))


def along_x(u, log_E=None):
    """A law of one x, which is increasing."""
    return offset_law(np.sort(np.exp(u[:, 0])), 0.3, log_E)


def with_offset(u, log_E=None):
    return product_law(u, log_E, u[:, 1:])


@pytest.mark.parametrize(("make", "size"), [(product_law, 4), (sum_law, 5), (along_x, 4), (with_offset, 6)])
@pytest.mark.parametrize("fixed", [None, 0.2, 0.0])
@given(seed=st.integers(0, 1000))
@settings(max_examples=20)
def test_derivatives_are_those_of_the_law(make, size, fixed, seed):
    law = make(U, None if fixed is None else log_irreducible(fixed, len(U)))
    theta = np.random.default_rng(seed).uniform(-1, 1, (2, size))
    _, derivatives = law(theta)
    step = 1e-6
    for i in range(size):
        moved = np.zeros(size)
        moved[i] = step
        numeric = (law(theta + moved)[0] - law(theta - moved)[0]) / (2 * step)
        np.testing.assert_allclose(derivatives[..., i], numeric, atol=1e-8)


@pytest.mark.parametrize("threshold", [0.02, 0.2])
def test_the_batched_solver_agrees_with_scipy(threshold):
    rng = np.random.default_rng(1)
    law = product_law(U[:, :1])
    truth = np.array([[-1.5, 0.3, 0.7]])
    rows = law(truth)[0] + 0.1 * rng.standard_t(3, (5, len(U)))
    ours, loss = huber_fits(law, rows, truth, threshold=threshold, iterations=300)
    for row, theta, own in zip(rows, ours, loss, strict=True):
        other = least_squares(
            lambda p, row=row: law(p[None])[0][0] - row,
            truth[0],
            loss="huber",
            f_scale=threshold,
            xtol=1e-12,
            ftol=1e-12,
        )
        assert own <= other.cost * (1 + 1e-6)
        np.testing.assert_allclose(theta, other.x, atol=5e-3)


def test_counts_are_repetitions():
    rng = np.random.default_rng(2)
    counts = rng.integers(0, 4, (1, len(U))).astype(float)
    log_y = -0.4 * U[:, 0] + 0.1 * rng.standard_normal(len(U))
    start = np.array([[0.0, 0.0, 0.1]])
    zero = log_irreducible(0.0, len(U))
    known = {"low": [0, -np.inf, -np.inf], "high": [0, np.inf, np.inf]}
    counted, _ = huber_fits(product_law(U[:, :1], zero), log_y[None], start, counts=counts, threshold=0.1, **known)
    index = np.repeat(np.arange(len(U)), counts[0].astype(int))
    repeated, _ = huber_fits(
        product_law(U[index, :1], log_irreducible(0.0, len(index))),
        log_y[None, index],
        start,
        threshold=0.1,
        **known,
    )
    np.testing.assert_allclose(counted, repeated, atol=1e-8)


def test_a_parameter_stays_within_its_bounds_and_the_others_are_the_best_there():
    log_y = -0.4 * U[:, 0] - 1.0
    law = product_law(U[:, :1], log_irreducible(0.0, len(U)))
    theta, _ = huber_fits(law, log_y[None], np.array([[0.0, 0.0, 0.1]]), low=[0, -9, 0.5], high=[0, 9, 2])
    assert theta[0, 2] == 0.5
    slope = np.array([0.5])
    alone, _ = huber_fits(law, log_y[None], np.array([[0.0, 0.0, 0.5]]), low=[0, -9, *slope], high=[0, 9, *slope])
    assert theta[0, 1] == pytest.approx(alone[0, 1], abs=1e-6)


def test_many_rows_are_solved_as_each_alone():
    rng = np.random.default_rng(3)
    law = product_law(U)
    rows = law(np.array([[-1.5, 0.3, 0.7, 0.2]]))[0] + 0.05 * rng.standard_normal((2000, len(U)))
    start = np.array([[-1.5, 0.3, 0.7, 0.2]])
    together, _ = huber_fits(law, rows, start, threshold=0.1)
    np.testing.assert_allclose(together[1234], huber_fits(law, rows[1234:1235], start, threshold=0.1)[0][0], atol=1e-9)


def test_the_information_criterion_is_that_of_the_book():
    residuals = np.random.default_rng(0).standard_normal(20)
    n, k = 20, 3
    expected = n * np.log((residuals**2).mean()) + 2 * k + 2 * k * (k + 1) / (n - k - 1)
    assert information_criterion(residuals**2, 2) == pytest.approx(expected)
    assert information_criterion(residuals[:4] ** 2, 2) == np.inf


def test_percentiles_of_no_draws_are_unknown():
    low, high = percentiles(np.empty((0, 3)))
    assert np.isnan(low).all() and np.isnan(high).all()
