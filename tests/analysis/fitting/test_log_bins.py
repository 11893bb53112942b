"""Log-spaced bins and their standard errors."""

import numpy as np
import pytest
from scipy.signal import lfilter

from analysis.fitting.log_bins import after_warmup, autocovariance, batch_means_error, decays, log_bins


def autoregressive(rng, n, rho=0.8):
    white = rng.standard_normal(n + 100)
    return lfilter([1], [1, -rho], white)[100:]


def test_bins_are_even_in_log_x_and_hold_every_point_once():
    x = np.arange(1.0, 10_001)
    bins = log_bins(x, np.exp(-x / 1e4), per_decade=5)
    assert len(bins.x) == len(bins.y) == len(bins.covariance) <= 21
    ratios = np.diff(np.log10(bins.x[5:-1]))
    assert ratios == pytest.approx(np.full(len(ratios), 0.2), abs=0.08)


def test_means_are_those_of_their_steps():
    x = np.arange(1.0, 101)
    bins = log_bins(x, x, per_decade=1)
    assert bins.y == pytest.approx([np.arange(1, 10).mean(), np.arange(10, 100).mean(), 100])


def test_the_covariance_of_bins_is_that_of_simulated_trajectories():
    rng, x = np.random.default_rng(0), np.arange(1.0, 1001)
    drawn, stated = [], []
    for _ in range(400):
        bins = log_bins(x, 0.3 * x**-0.1 * np.exp(0.02 * autoregressive(rng, 1000)))
        drawn.append(np.log(bins.y))
        stated.append(bins.covariance)
    truth, ours = np.cov(np.array(drawn).T), np.mean(stated, axis=0)
    assert np.diag(ours) == pytest.approx(np.diag(truth), rel=0.35)
    neighbors = np.diag(truth, 1)
    assert np.diag(ours, 1)[:4] == pytest.approx(neighbors[:4], rel=0.35)
    assert abs(ours[0, -1]) < 0.1 * ours[0, 0]


def test_autocovariance_of_an_autoregressive_series_is_known():
    gamma = autocovariance(autoregressive(np.random.default_rng(0), 100_000))
    assert gamma[:6] == pytest.approx(0.8 ** np.arange(6) / (1 - 0.64), rel=0.05)


def test_a_single_point_is_a_bin_without_noise():
    bins = log_bins(np.array([5.0]), np.array([0.3]))
    assert (bins.x[0], bins.y[0], bins.covariance[0, 0]) == (pytest.approx(5), 0.3, 0)


def test_a_constant_has_no_error_and_white_noise_has_the_usual_one():
    assert batch_means_error(np.ones(100)) == 0
    rng = np.random.default_rng(0)
    draws = [batch_means_error(rng.standard_normal(400)) for _ in range(300)]
    assert np.sqrt(np.mean(np.square(draws))) == pytest.approx(1 / 20, rel=0.1)


def test_batch_means_see_autocorrelation_that_the_usual_error_misses():
    rng = np.random.default_rng(0)
    means, ours, usual = [], [], []
    for _ in range(300):
        y = autoregressive(rng, 800)
        means.append(y.mean())
        ours.append(batch_means_error(y))
        usual.append(y.std() / np.sqrt(800))
    truth = np.std(means)
    assert np.sqrt(np.mean(np.square(ours))) == pytest.approx(truth, rel=0.2)
    assert np.mean(usual) < 0.5 * truth


def test_warm_up_is_left_out_and_decay_is_seen():
    rate = np.concatenate([np.linspace(0, 1, 10), np.ones(20)])
    assert after_warmup(rate) == 18  # and as long again
    assert after_warmup(rate[:10]) == 9  # never nothing
    assert not decays(rate)
    assert decays(np.concatenate([rate[:15], np.linspace(1, 0, 15)]))
