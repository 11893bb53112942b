"""Verdicts: confirmed where the claim holds, refuted where it fails, undecided where the sweep cannot tell."""

import pandas as pd
import pytest

from analysis.laws.diagonal_contrasts import survival
from analysis.laws.peak import peak_table
from analysis.pages.paper_claims import grid_claim, law_claim, peak_claim, slope_claim
from mmcr_core.theory import expected_percent_error
from tests.analysis.known_diagonal import exponents, runs


def verdict(error, **options):
    table = runs(error, **options)
    return peak_claim(table, peak_table(table))


def test_a_peak_at_the_diagonal_is_confirmed():
    claim = verdict(expected_percent_error)
    assert claim.verdict == "confirmed"
    assert "over seeds" in claim.reason and "double_descent" in claim.figures


def test_a_peak_elsewhere_refutes_it():
    assert verdict(lambda P, D: expected_percent_error(P, 2 * D)).verdict == "refuted"


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_flat_errors_decide_nothing(seeds):
    assert verdict(lambda P, D: 0.2, seeds=seeds, noise=0.0 if len(seeds) == 1 else 0.005).verdict == "undecided"


def test_shallow_diagonals_are_confirmed_and_their_survival_is_judged():
    lasting = exponents(lambda P, D, floor: 0.2 - 0.08 * (P == D))
    claim = slope_claim(lasting)
    assert claim.verdict == "confirmed" and "still are shallower" in claim.reason
    vanishing = exponents(lambda P, D, floor: 0.2 - 0.08 * (P == D) * (floor == "none"))
    claim = slope_claim(vanishing)
    assert claim.verdict == "confirmed" and "still are shallower there" not in claim.reason.replace("whether they ", "")
    assert survival(vanishing).low > 0


def test_steep_diagonals_refute_it_and_few_cells_decide_nothing():
    assert slope_claim(exponents(lambda P, D, floor: 0.2 + 0.08 * (P == D))).verdict == "refuted"
    table = exponents(lambda P, D, floor: 0.2)
    assert slope_claim(table).verdict == "undecided"
    assert slope_claim(table[(table["P"] == 64) & (table["D"] == 64)]).verdict == "undecided"


def test_power_laws_are_confirmed_where_all_hold_and_refuted_where_most_bend():
    fits = pd.DataFrame({"floor": "none", "trusted": [True] * 3, "reason": "", "scale": 0.02})
    assert law_claim(fits).verdict == "confirmed"
    fits.loc[0, "trusted"], fits.loc[0, "reason"] = False, "only 3 points; at least 6 are needed"
    claim = law_claim(fits)
    assert claim.verdict == "undecided" and "only 3 points" in claim.reason
    fits["trusted"] = False
    fits["reason"] = "the residuals have structure (runs test, p = 3e-06): the points bend away from the law"
    assert law_claim(fits).verdict == "refuted"


def test_no_law_of_the_grid_is_undecided():
    assert grid_claim([]).verdict == "undecided"
