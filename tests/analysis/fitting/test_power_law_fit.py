"""Power-law fits against known truth, and the checks they fail."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from analysis.fitting.diagnostics import FailedCheck
from analysis.fitting.log_bins import log_bins
from analysis.fitting.power_law_fit import difference, fit_power_law


def points(E=0.0, A=20.0, alpha=0.2, noise=0.02, n=30, seed=0, low=9, high=13):
    x = np.logspace(low, high, n)
    y = (E + A * x**-alpha) * np.exp(noise * np.random.default_rng(seed).standard_normal(n))
    return x, y


@pytest.mark.parametrize(("irreducible", "E"), [("none", 0.0), ("free", 0.15), (0.15, 0.15)])
def test_exact_laws_are_recovered(irreducible, E):
    fit = fit_power_law(*points(E=E, noise=0), irreducible=irreducible, bootstrap=40)
    assert fit.valid, fit.reason
    assert (fit.E, fit.A, fit.alpha) == pytest.approx((E, 20, 0.2), rel=1e-4)
    assert fit.scale < 1e-6


def shifted(x0=4.0, E=0.15, A=0.4, alpha=0.4, noise=0.005, n=24, seed=0):
    """A law with an offset in units of the smallest x, its noise known."""
    x = np.geomspace(1e9, 40e9, n)
    clean = E + A * (x / x[0] + x0) ** -alpha
    return x, clean * np.exp(noise * np.random.default_rng(seed).standard_normal(n)), noise**2 * np.eye(n)


@pytest.mark.parametrize(("irreducible", "E"), [("none", 0.0), ("free", 0.15), (0.15, 0.15)])
@pytest.mark.parametrize("x0", [-0.6, 0.0, 4.0, 15.0])
def test_exact_laws_with_an_offset_are_recovered(irreducible, E, x0):
    x, y, _ = shifted(x0, E, noise=0)
    fit = fit_power_law(x, y, irreducible=irreducible, offset="free", bootstrap=0)
    assert fit.alpha == pytest.approx(0.4, rel=2e-3)
    assert fit.x0 == pytest.approx(x0 * x[0], abs=0.02 * x[0])
    assert fit.predict(x) == pytest.approx(y, rel=1e-5)
    given_offset = fit_power_law(x, y, irreducible=irreducible, offset=x0 * x[0], bootstrap=0)
    assert (given_offset.E, given_offset.alpha) == pytest.approx((E, 0.4), rel=1e-4)
    assert given_offset.x0 == pytest.approx(x0 * x[0]) and given_offset.offset == "fixed"


def test_intervals_of_a_law_with_an_offset_hold_the_truth_and_chi_square_is_one():
    held, chi = {"alpha": 0, "x0": 0}, []
    for seed in range(120):
        x, y, covariance = shifted(seed=seed)
        fit = fit_power_law(x, y, irreducible=0.15, offset="free", covariance=covariance, bootstrap=200, seed=seed)
        for name, truth in (("alpha", 0.4), ("x0", 4e9)):
            low, high = fit.interval(name)
            held[name] += low <= truth <= high
        chi.append(fit.chi_square)
    assert all(0.89 <= count / 120 <= 0.99 for count in held.values()), held
    assert np.mean(chi) == pytest.approx(1, abs=0.1)  # standard error 0.03


def test_an_offset_that_is_not_needed_is_found_to_be_none():
    x, y, covariance = shifted(x0=0.0, E=0.0)
    fit = fit_power_law(x, y, offset="free", covariance=covariance)
    low, high = fit.interval("x0")
    assert low < 0 < high and fit.valid
    assert fit_power_law(x, y, covariance=covariance).aicc < fit.aicc


def test_floor_and_offset_that_cannot_be_told_apart_are_not_trusted_and_say_so():
    x, y, covariance = shifted(noise=0.02)
    fit = fit_power_law(x, y, irreducible="free", offset="free", covariance=covariance)
    undecided = {FailedCheck.IRREDUCIBLE_UNDETERMINED, FailedCheck.ZERO_EXPONENT, FailedCheck.WIDE_INTERVAL}
    assert fit.failed_checks & undecided


@pytest.mark.parametrize(("noise", "seed"), [(0.01, 3), (0.02, 3), (0.03, 6)])
def test_a_fit_that_finds_no_floor_beside_an_offset_is_not_sure_of_it(noise, seed):
    x, y, covariance = shifted(noise=noise, seed=seed)
    fit = fit_power_law(x, y, irreducible="free", offset="free", covariance=covariance)
    assert fit.interval("E") == (0.0, 0.0)  # and the truth is 0.15
    assert not fit.valid and FailedCheck.IRREDUCIBLE_UNDETERMINED in fit.failed_checks


def test_an_offset_beyond_the_points_is_not_trusted_and_says_so():
    x = np.geomspace(1e9, 20e9, 24)
    flat = 0.4 * np.exp(-x / 60e9) * np.exp(0.004 * np.random.default_rng(0).standard_normal(24))
    fit = fit_power_law(x, flat, offset="free", covariance=0.004**2 * np.eye(24))
    assert FailedCheck.OFFSET_TOO_LARGE in fit.failed_checks and fit.interval("x0")[1] <= x[-1]


def test_points_that_scatter_more_than_their_noise_are_not_trusted():
    x, y, covariance = shifted(noise=0.02)
    fit = fit_power_law(x, y, irreducible=0.15, offset="free", covariance=covariance / 16)
    assert FailedCheck.SCATTERS in fit.failed_checks and fit.chi_square > 5


@given(exponent=st.floats(-18, 18), unit=st.floats(-9, 9))
@settings(max_examples=25)
def test_units_do_not_matter_to_an_offset_either(exponent, unit):
    x, y, _ = shifted()
    one = fit_power_law(x, y, irreducible=0.15, offset="free", bootstrap=0)
    other = fit_power_law(x * 10**exponent, y * 10**unit, irreducible=0.15 * 10**unit, offset="free", bootstrap=0)
    assert other.alpha == pytest.approx(one.alpha, rel=1e-3)
    assert other.x0 == pytest.approx(one.x0 * 10**exponent, rel=1e-3)


@given(exponent=st.floats(-18, 18), unit=st.floats(-9, 9))
@settings(max_examples=25)
def test_units_do_not_matter(exponent, unit):
    x, y = points(E=0.15)
    one = fit_power_law(x, y, irreducible="free", bootstrap=0)
    other = fit_power_law(x * 10**exponent, y * 10**unit, irreducible="free", bootstrap=0)
    assert other.alpha == pytest.approx(one.alpha, rel=1e-3)
    assert pytest.approx(one.E * 10**unit, rel=1e-3) == other.E


def test_the_order_of_points_does_not_matter():
    x, y = points()
    order = np.random.default_rng(1).permutation(len(x))
    assert fit_power_law(x[order], y[order]).alpha == fit_power_law(x, y).alpha


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    held = 0
    for seed in range(150):
        low, high = fit_power_law(*points(seed=seed), bootstrap=200, seed=seed).interval("alpha")
        held += low <= 0.2 <= high
    assert 0.90 <= held / 150 <= 0.99


def test_intervals_hold_the_truth_for_binned_autocorrelated_trajectories():
    rng, x, held, alphas = np.random.default_rng(0), np.arange(1.0, 2001) * 1e9, 0, []
    for _ in range(150):
        noise = lfilter([1], [1, -0.6], rng.standard_normal(2000)) * 0.01
        bins = log_bins(x, 30 * x**-0.2 * np.exp(noise))
        fit = fit_power_law(bins.x, bins.y, covariance=bins.covariance, bootstrap=200)
        low, high = fit.interval("alpha")
        held += low <= 0.2 <= high
        alphas.append(fit.alpha)
    assert 0.91 <= held / 150 <= 0.99
    assert np.mean(alphas) == pytest.approx(0.2, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("irreducible", "E"), [("free", 0.15), (0.15, 0.15)])
def test_so_do_intervals_of_laws_with_a_floor(irreducible, E):
    rng, x, held, alphas = np.random.default_rng(0), np.arange(50.0, 2001) * 1e9, 0, []
    for _ in range(100):
        noise = lfilter([1], [1, -0.6], rng.standard_normal(len(x))) * 0.015
        bins = log_bins(x, (E + 0.3 * (x / x[0]) ** -0.25) * np.exp(noise))
        fit = fit_power_law(bins.x, bins.y, irreducible=irreducible, covariance=bins.covariance, bootstrap=200)
        low, high = fit.interval("alpha")
        held += low <= 0.25 <= high
        alphas.append(fit.alpha)
    assert 0.90 <= held / 100 <= 1.0
    assert np.mean(alphas) == pytest.approx(0.25, rel=0.02)


def replicates(rng, seeds, slopes=0.01):
    """Noisy laws of several seeds whose slopes differ: x, y, labels."""
    runs = [
        points(alpha=0.2 + slopes * rng.standard_normal(), noise=0.01, seed=rng.integers(1 << 30)) for _ in range(seeds)
    ]
    x, y = (np.concatenate(part) for part in zip(*runs, strict=True))
    return x, y, np.repeat(range(seeds), 30)


@pytest.mark.parametrize("seeds", [2, 3, 6])
def test_intervals_over_seeds_hold_the_mean_law(seeds):
    rng, held, alone = np.random.default_rng(seeds), 0, 0
    for _ in range(120):
        x, y, labels = replicates(rng, seeds)
        low, high = fit_power_law(x, y, runs=labels).interval("alpha")
        held += low <= 0.2 <= high
        low, high = fit_power_law(x, y, bootstrap=100).interval("alpha")
        alone += low <= 0.2 <= high
    assert 0.89 <= held / 120 <= 0.99
    assert alone < held  # points of one run deviate together


def test_a_floor_that_is_not_there_is_zero_and_seeds_leave_its_upper_end_open():
    fit = fit_power_law(*points(noise=0.005), irreducible="free")
    assert fit.E == 0 or fit.interval("E")[0] == 0
    x, y, labels = replicates(np.random.default_rng(0), 3, slopes=0.0)
    steeper = fit_power_law(x, y * np.where(x > 1e12, 0.9, 1.0), irreducible="free", runs=labels)
    assert steeper.E == 0
    assert np.isnan(steeper.interval("E")).all() and np.isfinite(steeper.interval("alpha")).all()


def test_a_single_label_is_no_replicate():
    x, y = points()
    assert fit_power_law(x, y, runs=["a"] * 30).interval("alpha") == fit_power_law(x, y).interval("alpha")


def test_the_difference_of_two_exponents_has_an_interval_of_its_own():
    one, other = fit_power_law(*points(alpha=0.25, seed=1)), fit_power_law(*points(alpha=0.2, seed=2))
    value, low, high = difference(one, other)
    assert value == one.alpha - other.alpha
    assert low < 0.05 < high
    apart = np.hypot(np.ptp(one.interval("alpha")), np.ptp(other.interval("alpha")))
    assert high - low == pytest.approx(apart, rel=0.15)


def test_equal_laws_with_equal_bootstrap_seeds_do_not_cancel():
    one = fit_power_law(*points(seed=1))
    _, low, high = difference(one, one)
    assert high - low > np.ptp(one.interval("alpha"))


def test_precise_points_count_for_more():
    x, y = points(noise=0)
    y[:10] *= np.exp(0.3 * np.random.default_rng(0).standard_normal(10))
    variances = np.where(np.arange(30) < 10, 0.3**2, 0.01**2)
    weighted = fit_power_law(x, y, covariance=np.diag(variances))
    assert abs(weighted.alpha - 0.2) < 0.3 * abs(fit_power_law(x, y).alpha - 0.2)


def test_one_wild_point_moves_little():
    x, y = points()
    clean = fit_power_law(x, y).alpha
    y[-1] *= 3
    assert fit_power_law(x, y).alpha == pytest.approx(clean, abs=0.01)


def test_the_held_out_points_measure_extrapolation():
    x, y = points()
    good = fit_power_law(x, y, holdout=0.2)
    assert good.extrapolation_error < 0.05
    assert good.points == 24
    assert np.isnan(fit_power_law(x, y).extrapolation_error)
    bent = np.maximum(y, 0.15)
    assert fit_power_law(x, bent, holdout=0.3).extrapolation_error > 0.1


def test_prediction_and_band_agree_with_the_law():
    x, y = points()
    fit = fit_power_law(x, y)
    np.testing.assert_allclose(fit.predict(x), fit.A * x**-fit.alpha, rtol=1e-9)
    low, high = fit.band(x)
    assert (low < fit.predict(x)).all() and (fit.predict(x) < high).all()
    assert ((low < 20 * x**-0.2) & (20 * x**-0.2 < high)).mean() > 0.9


def test_the_same_seed_gives_the_same_interval():
    assert fit_power_law(*points(), seed=3).interval("A") == fit_power_law(*points(), seed=3).interval("A")


@pytest.mark.parametrize(
    ("x", "y", "failed"),
    [
        (*points(n=5), {FailedCheck.FEW_POINTS}),
        (*points(low=9, high=9.5), {FailedCheck.SHORT_RANGE}),
        (*points(A=0.2, alpha=0.0, noise=0.05), {FailedCheck.CONSTANT, FailedCheck.ZERO_EXPONENT}),
        (*points(A=0.001, alpha=-0.2), {FailedCheck.RISES}),
        (np.logspace(0, 4, 40), 1 + np.sin(np.linspace(0, 12, 40)) * 0.3 + np.logspace(0, -1, 40), {FailedCheck.BENDS}),
    ],
)
def test_laws_that_should_not_be_believed_say_why(x, y, failed):
    fit = fit_power_law(x, y)
    assert failed <= fit.failed_checks and fit.reason


def test_a_good_law_is_trusted():
    fit = fit_power_law(*points())
    assert fit.valid and fit.reason == ""


def test_noise_alone_is_hardly_ever_a_law():
    rng = np.random.default_rng(0)
    x = np.logspace(9, 12, 25)
    trusted = [fit_power_law(x, 0.3 * np.exp(0.05 * rng.standard_normal(25)), bootstrap=100).valid for _ in range(60)]
    assert np.mean(trusted) <= 0.05


def test_aicc_tells_a_floor_from_none():
    x, y = points(E=0.15, noise=0.01)
    assert fit_power_law(x, y, irreducible=0.15).aicc < fit_power_law(x, y, irreducible="none").aicc
    x, y = points(E=0.0, noise=0.01)
    assert fit_power_law(x, y, irreducible="none").aicc < fit_power_law(x, y, irreducible="free").aicc


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        (([1, 2, 3], [1, 2]), {}, "one length"),
        (([1, 2, 3], [1, -2, 3]), {}, "positive"),
        (([1, 2, 3], [1, np.nan, 3]), {}, "positive"),
        (([1, 2], [1, 2]), {}, "at least 3"),
        (([1, 2, 3], [3, 2, 1]), {"irreducible": "some"}, "irreducible 'some' is unknown"),
        (([1, 2, 3], [3, 2, 1]), {"irreducible": -0.1}, "must not be negative"),
        (([1, 2, 3], [3, 2, 1]), {"irreducible": np.nan}, "finite"),
        (([1, 2, 3], [3, 2, 1]), {"offset": "some"}, "offset 'some' is unknown"),
        (([1, 2, 3], [3, 2, 1]), {"offset": -1}, "above minus the smallest x"),
        (([1, 2, 3], [3, 2, 1]), {"offset": None}, "offset is None; use none, free, or a number"),
        (([1, 2, 3], [3, 2, 1]), {"irreducible": True}, "irreducible is True"),
        (([1, 2, 3], [3, 2, 1]), {"irreducible": 4.0}, "all points lie below it"),
        (([2, 2, 2], [3, 2, 1]), {}, "x is 2 at all points that are fitted"),
        (([1, 2, 3], [3, 2, 1]), {"irreducible": "free", "offset": "free"}, "at least 4 are needed"),
        (([1, 2, 3], [3, 2, 1]), {"holdout": 1.0}, "holdout"),
        (([1, 2, 3], [3, 2, 1]), {"covariance": np.eye(2)}, "covariance"),
        (([1, 2, 3], [3, 2, 1]), {"covariance": np.zeros((3, 3))}, "covariance"),
    ],
)
def test_bad_input_is_refused(arguments, options, says):
    with pytest.raises(ValueError, match=says):
        fit_power_law(*arguments, **options)


def test_a_fit_prints_short():
    x = np.logspace(0, 3, 30)
    assert len(repr(fit_power_law(x, 2 * x**-0.5, bootstrap=50))) < 400


@pytest.mark.parametrize("bootstrap", [0, 1, 39])
def test_too_few_replicates_give_no_interval_and_no_valid_law(bootstrap):
    fit = fit_power_law(*points(), bootstrap=bootstrap)
    assert np.isnan(fit.interval("alpha")).all()
    assert not fit.valid and "no_interval" in fit.failed_checks and "40 are needed" in fit.reason


def test_runs_and_replicates_that_cannot_be_are_refused():
    x, y = points()
    with pytest.raises(ValueError, match="runs must be one label per point"):
        fit_power_law(x, y, runs=[1, 2])
    with pytest.raises(ValueError, match="bootstrap is -1"):
        fit_power_law(x, y, bootstrap=-1)
