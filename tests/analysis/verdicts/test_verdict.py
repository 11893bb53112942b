"""Decisions follow from intervals."""

import pytest

from analysis.verdicts.verdict import Effect, Verdict, above, below, within

NAN = float("nan")


@pytest.mark.parametrize(
    ("low", "high", "under", "over"),
    [(-0.2, -0.1, "confirmed", "refuted"), (0.1, 0.2, "refuted", "confirmed"), (-0.02, 0.021, "undecided", "undecided"),
     (NAN, NAN, "undecided", "undecided")],
)  # fmt: skip
def test_an_interval_decides_only_where_it_lies_on_one_side(low, high, under, over):
    effect = Effect("x", 0.001, low, high)
    assert (below(effect), above(effect)) == (under, over)
    assert below(Effect("x", 1.3, low + 1, high + 1), 1.0) == under


@pytest.mark.parametrize(
    ("first", "second", "decision"),
    [((-0.1, 0.1), (-0.15, 0.15), "confirmed"), ((-0.1, 0.1), (-0.3, 0.3), "undecided"),
     ((-0.1, 0.1), (NAN, NAN), "confirmed"), ((0.3, 0.5), (-0.1, 0.9), "refuted"), ((NAN, NAN), (0, 0), "undecided")],
)  # fmt: skip
def test_equivalence_needs_every_known_interval(first, second, decision):
    assert within(0.2, Effect("x", 0, *first), Effect("x", 0, *second)) == decision


def test_a_verdict_without_numbers_or_of_few_cells_is_not_set_beside_others():
    effect = Effect("x", 0, -1, 1)
    assert Verdict("undecided", (effect,)).measured and Verdict("undecided", (effect,)).effect is effect
    assert not Verdict("undecided", (effect,), few=True).measured
    assert not Verdict("undecided").measured and Verdict("undecided").effect is None
