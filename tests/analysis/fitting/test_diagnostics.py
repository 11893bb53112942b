"""The runs test against its exact distribution, and the checks that laws fail: all of them, as values."""

import itertools

import numpy as np
import pandas as pd
import pytest

from analysis.fitting import diagnostics
from analysis.fitting.diagnostics import (
    AGAINST,
    MESSAGES,
    UNABLE,
    FailedCheck,
    bend_test,
    check_sets,
    rejection_reasons,
    runs_test,
    speaks_against,
)
from analysis.fitting.power_law_fit import fit_power_law


def exact(p, q, runs):
    """Probability of at most `runs` runs among all orders of p positive and q negative signs."""
    orders = list(itertools.combinations(range(p + q), p))
    few = 0
    for chosen in orders:
        signs = np.isin(np.arange(p + q), chosen)
        few += 1 + int((signs[1:] != signs[:-1]).sum()) <= runs
    return few / len(orders)


@pytest.mark.parametrize("signs", ["+++++-----", "++---++---", "+-+-+-+-+-", "++--+-+--+", "---+++++++"])
def test_the_runs_test_is_close_to_the_exact_one(signs):
    values = np.array([1.0 if sign == "+" else -1.0 for sign in signs])
    runs = 1 + sum(a != b for a, b in itertools.pairwise(signs))
    assert runs_test(values) == pytest.approx(exact(signs.count("+"), signs.count("-"), runs), abs=0.04)


def test_one_sign_only_says_nothing():
    assert runs_test(np.ones(12)) == 1.0


def clean(**changes):
    rng = np.random.default_rng(0)
    draws = 0.2 + 0.01 * rng.standard_normal(99)
    good = {"residuals": rng.standard_normal(20), "decades": 3.0, "alpha": 0.2, "draws": draws, "aicc": -50.0,
            "constant": -10.0, "scatter": 1.2, "parameters": 2, "bend": 1.0}  # fmt: skip
    return good | changes


NOISE = np.random.default_rng(1).standard_normal(99)
BENT = np.repeat([1.0, -1.0, 1.0], 7)


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({}, set()),
        ({"residuals": np.ones(5)}, {FailedCheck.FEW_POINTS}),
        ({"decades": 0.5}, {FailedCheck.SHORT_RANGE}),
        ({"scatter": 7.0}, {FailedCheck.SCATTERS}),
        ({"aicc": -5.0}, {FailedCheck.CONSTANT}),
        ({"draws": np.empty(0)}, {FailedCheck.NO_INTERVAL}),
        ({"draws": 0.1 * NOISE}, {FailedCheck.ZERO_EXPONENT, FailedCheck.WIDE_INTERVAL}),
        ({"alpha": -0.2, "draws": -0.2 + 0.01 * NOISE}, {FailedCheck.RISES}),
        ({"draws": 0.2 + 0.08 * np.linspace(-2, 2, 99)}, {FailedCheck.WIDE_INTERVAL}),
        ({"residuals": BENT}, {FailedCheck.BENDS}),
        ({"residuals": BENT, "decades": 0.5, "scatter": 7.0},
         {FailedCheck.SHORT_RANGE, FailedCheck.BENDS, FailedCheck.SCATTERS}),
    ],
)  # fmt: skip
def test_every_check_that_fails_is_kept(change, failed):
    assert set(rejection_reasons(**clean(**change))) == failed


@pytest.mark.parametrize("points", [6, 8, 12, 40])
def test_a_bend_of_the_size_of_the_residuals_is_found_at_any_number_of_points(points):
    x = np.geomspace(1e3, 1e5, points)
    u = np.log(x / np.sqrt(x[0] * x[-1]))
    noise = 0.002 * np.random.default_rng(points).standard_normal(points)
    straight = fit_power_law(x, np.exp(-0.3 * u + noise))
    bent = fit_power_law(x, np.exp(-0.3 * u + 0.01 * u**2 + noise))
    assert FailedCheck.BENDS not in straight.failed_checks
    assert FailedCheck.BENDS in bent.failed_checks and not bent.valid
    assert FailedCheck.BENDS not in fit_power_law(x, 0.2 + 0.8 * np.exp(-0.3 * u), irreducible=0.2).failed_checks


def test_noise_rarely_looks_like_a_bend_and_a_law_is_not_asked_of_what_it_can_follow():
    rng, u = np.random.default_rng(0), np.linspace(-1, 1, 8)
    line = np.stack([np.ones(8), u], axis=1)
    values = [bend_test(rng.standard_normal(8), line, u**2, 2) for _ in range(2000)]
    assert 0.002 < np.mean(np.array(values) < 0.01) < 0.02
    assert bend_test(u**2, np.stack([np.ones(8), u, u**2], axis=1), u**2, 3) == 1.0
    assert bend_test(u**2, line, u**2, 7) == 1.0  # no point is left to tell noise by


def test_more_parameters_need_more_points():
    assert FailedCheck.FEW_POINTS not in rejection_reasons(**clean(residuals=clean()["residuals"][:7], parameters=2))
    assert FailedCheck.FEW_POINTS in rejection_reasons(**clean(residuals=clean()["residuals"][:7], parameters=4))


def test_a_fit_has_all_failed_checks_and_one_reason_for_people():
    x = np.geomspace(1.0, 5.0, 30)  # less than a decade
    fit = fit_power_law(x, 1 + 0.5 * (np.log(x) - 0.8) ** 2, covariance=1e-8 * np.eye(30))
    assert fit.failed_checks >= {FailedCheck.SHORT_RANGE, FailedCheck.BENDS, FailedCheck.SCATTERS} and not fit.valid
    assert fit.reason.count("; ") >= 2 and "bend away" in fit.reason


def test_evidence_against_a_law_needs_points_and_range_enough_to_tell():
    assert speaks_against({FailedCheck.BENDS, FailedCheck.WIDE_INTERVAL})
    assert not speaks_against({FailedCheck.BENDS, FailedCheck.SHORT_RANGE})
    assert not speaks_against({FailedCheck.WIDE_INTERVAL}) and not speaks_against(())
    assert not AGAINST & UNABLE


def test_every_check_has_a_message_and_messages_change_no_check(monkeypatch):
    assert set(MESSAGES) == set(FailedCheck)
    before = rejection_reasons(**clean(residuals=BENT, decades=0.5))
    monkeypatch.setattr(diagnostics, "MESSAGES", dict.fromkeys(FailedCheck, "rises, constant, chi-square"))
    after = rejection_reasons(**clean(residuals=BENT, decades=0.5))
    assert set(after) == set(before) and after != before


def test_tables_with_and_without_the_column_are_read():
    names = pd.DataFrame({"failed_checks": [["rises", "bends"], np.array([], object), None]}, index=[3, 4, 5])
    assert check_sets(names).tolist() == [{FailedCheck.RISES, FailedCheck.BENDS}, set(), set()]
    old = pd.DataFrame({"trusted": [False], "reason": ["y rises with x"]})
    assert check_sets(old).tolist() == [frozenset()]  # what failed is unknown, never read from words
