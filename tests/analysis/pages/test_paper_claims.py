"""Verdicts: confirmed where the claim holds, refuted where it fails, undecided where the sweep cannot tell."""

import pandas as pd
import pytest

from analysis.laws.diagonal_contrasts import survival
from analysis.laws.peak import peak_table
from analysis.pages.paper_claims import (
    grid_claim,
    law_claim,
    peak_claim,
    peak_left_claim,
    quoted_claim,
    same_slope_claim,
    slope_claim,
)
from mmcr_core.theory import expected_percent_error
from tests.analysis.known_diagonal import exponents, runs

ABOVE = ("theory", "none")


def verdict(error, **options):
    table = runs(error, **options)
    return peak_claim(table, peak_table(table))


def test_a_peak_at_the_diagonal_is_confirmed():
    claim = verdict(expected_percent_error)
    assert claim.verdict == "confirmed"
    assert "over seeds" in claim.reason and "double_descent" in claim.figures


def test_a_peak_elsewhere_refutes_it():
    assert verdict(lambda P, D: expected_percent_error(P, 2 * D)).verdict == "refuted"


def test_a_line_that_cannot_have_its_peak_at_the_diagonal_does_not_count():
    table = runs(expected_percent_error)
    claim = peak_claim(table, peak_table(table))
    assert claim.number.startswith("largest there in 8 of 8 lines")
    alone = table[table["D"] == 64]
    claim = peak_claim(alone, peak_table(alone))
    assert claim.number.startswith("largest there in 1 of 1 lines")


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_flat_errors_decide_nothing(seeds):
    assert verdict(lambda P, D: 0.2, seeds=seeds, noise=0.0 if len(seeds) == 1 else 0.005).verdict == "undecided"


def test_shallow_diagonals_are_confirmed_and_their_survival_is_judged():
    lasting = exponents(lambda P, D, floor: 0.2 - 0.08 * (P == D))
    claim = slope_claim(lasting, ABOVE)
    assert claim.verdict == "confirmed" and "still are shallower" in claim.reason
    vanishing = exponents(lambda P, D, floor: 0.2 - 0.08 * (P == D) * (floor == "none"))
    claim = slope_claim(vanishing, ABOVE)
    assert claim.verdict == "confirmed" and "still are shallower there" not in claim.reason.replace("whether they ", "")
    assert survival(vanishing, ABOVE).low > 0


def test_steep_diagonals_refute_it_and_few_cells_decide_nothing():
    assert slope_claim(exponents(lambda P, D, floor: 0.2 + 0.08 * (P == D)), ABOVE).verdict == "refuted"
    table = exponents(lambda P, D, floor: 0.2)
    assert slope_claim(table, ABOVE).verdict == "undecided"
    assert slope_claim(table[(table["P"] == 64) & (table["D"] == 64)], ABOVE).verdict == "undecided"


def test_power_laws_are_confirmed_where_all_hold_and_refuted_where_most_bend():
    fits = pd.DataFrame(
        {"floor": "none", "offset": "none", "trusted": [True] * 4, "reason": "", "scale": 0.02,
         "extrapolation_error": [0.01, 0.02, 0.03, 0.04]}
    )  # fmt: skip
    assert law_claim(fits).verdict == "confirmed"
    assert law_claim(fits).number.endswith(
        "4 of 4 cells; last points foretold within 2.5 % (median; quartiles 1.8 to 3.2 %)"
    )
    assert law_claim(fits.head(3)).number == ""
    fits.loc[0, "trusted"], fits.loc[0, "reason"] = False, "only 3 points; at least 6 are needed"
    claim = law_claim(fits)
    assert claim.verdict == "undecided" and "only 3 points" in claim.reason
    fits["trusted"] = False
    fits["reason"] = "the residuals have structure (runs test, p = 3e-06): the points bend away from the law"
    assert law_claim(fits).verdict == "refuted"


def test_no_law_of_the_grid_is_undecided():
    assert grid_claim([]).verdict == "undecided"
    assert peak_left_claim([]).verdict == "undecided"


@pytest.mark.parametrize(("off_by", "verdict"), [(0.0, "confirmed"), (-0.08, "refuted"), (-0.04, "undecided")])
def test_equal_exponents_are_confirmed_only_within_the_stated_margin(off_by, verdict):
    table = exponents(lambda P, D, floor: 0.2 + off_by * (P == D), noise=0.004)
    claim = same_slope_claim(table, ABOVE)
    assert claim.verdict == verdict and "within 20 %" in claim.statement
    assert same_slope_claim(table, ABOVE, trusted=0.4).verdict == "undecided"


def test_the_quoted_law_is_judged_by_how_many_cells_it_describes():
    fits = pd.DataFrame(
        {"floor": "theory", "offset": "free", "chosen": True, "trusted": [True] * 9 + [False], "seeds": 3,
         "reason": [""] * 9 + ["y rises with x"], "extrapolation_error": 0.02, "chi_square": 1.8}
    )  # fmt: skip
    by_seed = pd.DataFrame({"floor": ["theory"], "offset": ["free"], "chi_square": [1.1]})
    claim = quoted_claim(fits, by_seed)
    assert claim.verdict == "confirmed" and claim.number.startswith("e_inf + A (x + x0)^-alpha passes")
    assert "9 of 10" in claim.reason and "1.10 run by run" in claim.reason and "1.80 with all seeds" in claim.reason
    assert "y rises with x" in claim.reason
    bent = fits.assign(trusted=[True] * 4 + [False] * 6, reason=[""] * 4 + ["y rises with x"] * 6)
    assert quoted_claim(bent, by_seed).verdict == "refuted"
    short = bent.assign(reason="only 5 points; at least 6 are needed")
    assert quoted_claim(short, by_seed).verdict == "undecided"  # that says nothing against it


def test_what_is_left_of_the_peak_is_judged_by_the_aspect_above_the_level():
    from analysis.laws.grid_law import fit_grid_laws
    from tests.analysis.laws.known_grid import law, points

    gone = peak_left_claim(fit_grid_laws(points()))
    assert gone.verdict == "confirmed" and "without e_inf to the power -" in gone.reason
    left = points(lambda P, D, K, steps: law(P, D, K, steps) + steps**-0.25 * (P == D))
    assert peak_left_claim(fit_grid_laws(left)).verdict == "refuted"
