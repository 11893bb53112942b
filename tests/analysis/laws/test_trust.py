"""The runs test against its exact distribution, and the order of doubts."""

import itertools

import numpy as np
import pytest

from analysis.laws.trust import doubt, runs_test


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


def test_a_clean_fit_is_not_doubted_and_each_doubt_is_named():
    rng = np.random.default_rng(0)
    draws = 0.2 + 0.01 * rng.standard_normal(99)
    good = {"residuals": rng.standard_normal(20), "decades": 3.0, "alpha": 0.2, "draws": draws, "aicc": -50.0,
            "constant": -10.0, "scatter": 1.2}  # fmt: skip
    assert doubt(**good) == ""
    for change, says in (
        ({"residuals": np.ones(5)}, "only 5 points"),
        ({"decades": 0.5}, "decades"),
        ({"scatter": 7.0}, "chi-square 7.0"),
        ({"aicc": -5.0}, "constant"),
        ({"draws": np.empty(0)}, "no bootstrap"),
        ({"draws": 0.1 * rng.standard_normal(99)}, "holds 0"),
        ({"alpha": -0.2, "draws": good["draws"] - 0.4}, "rises"),
        ({"draws": 0.2 + 0.08 * np.linspace(-2, 2, 99)}, "wider than alpha"),
        ({"residuals": np.repeat([1.0, -1.0, 1.0], 7)}, "bend away"),
    ):
        assert says in doubt(**(good | change))
