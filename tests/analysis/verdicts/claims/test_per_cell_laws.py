"""Per-cell laws: verdicts read the set of failed checks, never their messages."""

from types import SimpleNamespace

import pandas as pd
import pytest

from analysis.estimates.per_cell_fit import fit_table
from analysis.fitting import diagnostics
from analysis.fitting.diagnostics import FailedCheck
from analysis.verdicts.claims.per_cell_laws import judge_one_form, judge_pure
from analysis.verdicts.rendering import number
from tests.analysis.estimates.test_per_cell_fit import grid_of


def laws(*failed, irreducible="none", offset="none"):
    return pd.DataFrame(
        {"irreducible": irreducible, "offset": offset, "chosen": True, "trusted": [not names for names in failed],
         "failed_checks": list(failed), "reason": "y rises with x", "scale": 0.02, "seeds": 3, "chi_square": 1.8,
         "extrapolation_error": [0.01 * (i + 1) for i in range(len(failed))]}
    )  # fmt: skip


def pure(*failed):
    return judge_pure(SimpleNamespace(fits=laws(*failed)))


def test_power_laws_are_confirmed_where_all_are_valid_and_refuted_where_most_bend():
    verdict = pure([], [], [], [])
    assert verdict.decision == "confirmed" and verdict.measured
    assert number(verdict).endswith("held-out last points predicted within 2.5% (1.8 to 3.2, quartiles)")
    assert pure(["few_points"], [], [], []).decision == "undecided"
    assert pure(["bends"], ["bends"], ["scatters"], []).decision == "refuted"
    assert not pure([], [], []).measured


def test_a_second_failed_check_counts():
    assert pure(*[["wide_interval", "bends"]] * 4).decision == "refuted"
    assert pure(*[["wide_interval"]] * 4).decision == "undecided"


def test_cells_that_cannot_tell_do_not_speak_against_the_law():
    assert pure(*[["short_range", "bends"]] * 4).decision == "undecided"


def test_a_table_without_the_column_is_never_read_by_its_words():
    fits = laws(*[["rises"]] * 4).drop(columns="failed_checks")
    assert judge_pure(SimpleNamespace(fits=fits)).decision == "undecided"


@pytest.mark.parametrize(
    ("failed", "decision"),
    [([[]] * 9 + [["rises"]], "confirmed"), ([[]] * 4 + [["rises"]] * 6, "refuted"),
     ([[]] * 4 + [["few_points"]] * 6, "undecided")],
)  # fmt: skip
def test_the_selected_model_is_judged_by_how_many_cells_it_describes(failed, decision):
    by_seed = pd.DataFrame({"irreducible": ["theory"], "offset": ["free"], "chi_square": [1.1]})
    fits = laws(*failed, irreducible="theory", offset="free")
    verdict = judge_one_form(SimpleNamespace(fits=fits, fits_by_seed=by_seed))
    assert verdict.decision == decision and "e_inf + A (x + x0)^-alpha" in verdict.counts[0].detail
    assert "run by run: 1.10" in verdict.explanation and "1.80 with all seeds" in verdict.explanation


def test_other_messages_of_all_checks_give_the_same_verdict(monkeypatch):
    straight = grid_of(lambda P, D, x: 0.3 * (x / 1e9) ** -0.1, sizes=(32, 64))
    bent = grid_of(lambda P, D, x: 0.3 + 0.2 * (x / 1e9) ** -0.5, sizes=(32, 64))
    noise = grid_of(lambda P, D, x: 0.3 + 0 * x, sizes=(32, 64))
    before = [judge_pure(SimpleNamespace(fits=fit_table(cells, "flops")[0])) for cells in (straight, bent, noise)]
    assert [verdict.decision for verdict in before] == ["confirmed", "refuted", "refuted"]
    for text in ("", "the points bend away, y rises with x, a constant, chi-square"):
        monkeypatch.setattr(diagnostics, "MESSAGES", dict.fromkeys(FailedCheck, text))
        after = [judge_pure(SimpleNamespace(fits=fit_table(cells, "flops")[0])) for cells in (bent, noise)]
        assert after == before[1:]
