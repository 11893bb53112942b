"""Exponents at P = D: each claim is decided by its own interval and by no other."""

from types import SimpleNamespace

import pandas as pd
import pytest

from analysis.estimates.peak_effects import contrast_robustness
from analysis.verdicts.claims.exponents import judge_above_baseline, judge_pure, judge_same
from tests.analysis.known_diagonal import exponents


def evidence(table, valid=(True,)):
    fits = pd.DataFrame({"irreducible": "theory", "offset": "none", "chosen": True, "trusted": list(valid)})
    return SimpleNamespace(fits_by_seed=table, fits=fits)


def test_slopes_that_stay_shallower_above_the_baseline_are_confirmed_twice():
    lasting = evidence(exponents(lambda P, D, irreducible: 0.2 - 0.08 * (P == D)))
    assert [judge(lasting).decision for judge in (judge_pure, judge_above_baseline)] == ["confirmed", "confirmed"]


def test_slopes_that_are_shallower_in_pure_laws_alone_are_not_confirmed_above_the_baseline():
    table = exponents(lambda P, D, irreducible: 0.2 - 0.08 * (P == D) * (irreducible == "none"), noise=0.01)
    pure, above = judge_pure(evidence(table)), judge_above_baseline(evidence(table))
    assert pure.decision == "confirmed" and pure.effect.high < 0
    assert above.decision == "undecided" and above.effect.low < 0 < above.effect.high
    assert contrast_robustness(table, ("theory", "none")).low > 0


def test_steep_diagonals_refute_it_and_few_cells_decide_nothing():
    assert judge_pure(evidence(exponents(lambda P, D, irreducible: 0.2 + 0.08 * (P == D)))).decision == "refuted"
    steep = evidence(exponents(lambda P, D, irreducible: 0.2 + 0.08 * (P == D) * (irreducible == "theory")))
    assert judge_above_baseline(steep).decision == "refuted" and judge_pure(steep).decision == "undecided"
    table = exponents(lambda P, D, irreducible: 0.2)
    assert judge_pure(evidence(table[(table["P"] == 64) & (table["D"] == 64)])).decision == "undecided"


@pytest.mark.parametrize(("off_by", "decision"), [(0.0, "confirmed"), (-0.08, "refuted"), (-0.04, "undecided")])
def test_equal_exponents_are_confirmed_only_within_the_stated_margin(off_by, decision):
    table = exponents(lambda P, D, irreducible: 0.2 + off_by * (P == D), noise=0.004)
    assert judge_same(evidence(table)).decision == decision


@pytest.mark.parametrize("judge", [judge_above_baseline, judge_same])
def test_laws_that_fail_their_checks_decide_nothing_and_are_counted(judge):
    table = exponents(lambda P, D, irreducible: 0.2 + 0.08 * (P == D))
    verdict = judge(evidence(table, valid=(True, True, False, False, False)))
    assert verdict.decision == "undecided" and (verdict.counts[0].number, verdict.counts[0].total) == (2, 5)
    assert judge(evidence(table, valid=(True, False))).decision == "refuted"
