"""The peak: confirmed where it is at P = D, refuted where it is elsewhere, undecided where the sweep cannot tell."""

from types import SimpleNamespace

import pytest

from analysis.estimates.peak import peak_table
from analysis.verdicts.claims.double_descent import judge_peak
from mmcr_core.theory import expected_percent_error
from tests.analysis.known_diagonal import runs


def judged(table):
    return judge_peak(SimpleNamespace(finished=table, peaks=peak_table(table)))


def test_a_peak_at_the_diagonal_is_confirmed():
    verdict = judged(runs(expected_percent_error))
    assert verdict.decision == "confirmed"
    assert verdict.effect.low > 0 and verdict.effect.over == "seeds" and len(verdict.effects) == 3


def test_a_peak_elsewhere_refutes_it():
    assert judged(runs(lambda P, D: expected_percent_error(P, 2 * D))).decision == "refuted"


def test_a_line_that_cannot_have_its_peak_at_the_diagonal_does_not_count():
    table = runs(expected_percent_error)
    assert (judged(table).counts[0].number, judged(table).counts[0].total) == (8, 8)
    alone = judged(table[table["D"] == 64])
    assert (alone.counts[0].number, alone.counts[0].total) == (1, 1)


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_flat_errors_decide_nothing(seeds):
    flat = runs(lambda P, D: 0.2, seeds=seeds, noise=0.0 if len(seeds) == 1 else 0.005)
    assert judged(flat).decision == "undecided"
