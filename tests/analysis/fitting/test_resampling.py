"""Draws that give the intervals of the textbook where the textbook has one."""

import numpy as np
import pytest
from scipy import stats

from analysis.fitting.resampling import (
    about_own_lines,
    block_resample,
    independent,
    jackknife_draws,
    square_root,
    student_factor,
    student_half_width,
)


def test_equal_values_have_no_interval_and_others_have_students():
    table = np.array([[0.1, 0.2, 0.4], [0.1 + 0.2, 0.3, 0.3], [1.0, 1.0, 1.0]])
    halves = student_half_width(table.std(axis=1, ddof=1), 3)
    assert halves[0] == pytest.approx(
        stats.t.interval(0.95, 2, table[0].mean(), stats.sem(table[0]))[1] - table[0].mean()
    )
    assert np.isnan(halves[1:]).all()  # 0.1 + 0.2 is 0.3 but for rounding
    assert np.isnan(student_half_width(float("nan"), 1)) and np.isnan(student_half_width(0.0, 4))


@pytest.mark.parametrize("runs", [2, 3, 8])
def test_the_jackknife_of_a_mean_is_students_t(runs):
    values = np.random.default_rng(runs).standard_normal((runs, 1))
    one_out = np.array([np.delete(values, i, axis=0).mean(axis=0) for i in range(runs)])
    draws = jackknife_draws(values.mean(axis=0), one_out, 20_000, np.random.default_rng(0))
    ours = np.quantile(draws, [0.025, 0.975])
    truth = stats.t.interval(0.95, runs - 1, values.mean(), stats.sem(values[:, 0]))
    np.testing.assert_allclose(ours - values.mean(), truth - values.mean(), rtol=0.05)


def test_blocks_keep_neighbors_together_and_the_variance():
    residuals = np.sin(np.arange(64) / 3)
    drawn = block_resample(residuals, 500, np.random.default_rng(0))
    assert drawn.shape == (500, 64)
    assert drawn.var() == pytest.approx(residuals.var(), rel=0.1)
    assert np.mean(drawn[:, 1:] * drawn[:, :-1]) > 0.5 * residuals.var()


def test_whitened_residuals_are_independent():
    rng = np.random.default_rng(0)
    covariance = 0.8 ** np.abs(np.subtract.outer(np.arange(10), np.arange(10)))
    root = square_root(covariance)
    np.testing.assert_allclose(root @ root, covariance, atol=1e-12)
    labels = np.zeros(10, int)
    white = np.array([independent(root @ rng.standard_normal(10), covariance, labels) for _ in range(4000)])
    np.testing.assert_allclose(np.cov(white.T), np.eye(10), atol=0.1)


def test_lines_of_replicate_runs_are_no_residuals():
    u, labels = np.tile(np.linspace(-1, 1, 10), 2), np.repeat([0, 1], 10)
    lines = np.where(labels == 0, 0.3 + 0.1 * u, -0.3 - 0.2 * u)
    np.testing.assert_allclose(about_own_lines(lines, u, np.ones(20), labels), 0, atol=1e-12)
    np.testing.assert_array_equal(about_own_lines(lines, u, np.ones(20), 0 * labels), lines)  # one run has no fellows


def test_students_factor_is_that_of_the_tables():
    assert student_factor(5) == pytest.approx(2.5706 / 1.95996, rel=1e-4)
