"""The joint scaling law: what is left of the peak above the uniform baseline, and how held-out cells are predicted."""

from types import SimpleNamespace

import pytest

from analysis.estimates.joint_scaling_law import fit_joint_laws
from analysis.verdicts.claims.joint_law import judge_aspect, judge_prediction
from tests.analysis.estimates.synthetic_grid import law, points

pytestmark = pytest.mark.xdist_group("joint laws")


def test_no_joint_law_is_undecided():
    for judge in (judge_aspect, judge_prediction):
        verdict = judge(SimpleNamespace(joint_laws=[]))
        assert verdict.decision == "undecided" and not verdict.measured


def test_what_is_left_of_the_peak_is_judged_by_the_aspect_above_the_baseline(laws):
    gone = judge_aspect(SimpleNamespace(joint_laws=laws))
    assert gone.decision == "confirmed" and gone.effect.low <= 0 <= gone.effect.high < 0.1
    assert gone.effects[1].what == "without e_inf" and gone.effects[1].low > 0
    left = points(lambda P, D, K, steps: law(P, D, K, steps) + steps**-0.25 * (P == D))
    verdict = judge_aspect(SimpleNamespace(joint_laws=fit_joint_laws(left)))
    assert verdict.decision == "refuted" and verdict.effect.low > 0.1


@pytest.mark.parametrize(
    ("error", "coverage", "decision"),
    [(0.05, 0.9, "confirmed"), (0.05, 0.6, "undecided"), (0.2, 0.9, "undecided"), (0.4, 0.9, "refuted"),
     (0.05, 0.4, "refuted")],
)  # fmt: skip
def test_predictions_are_judged_by_error_and_coverage(monkeypatch, error, coverage, decision):
    monkeypatch.setattr("analysis.verdicts.claims.joint_law.describe_exponents", lambda law: [])
    form = SimpleNamespace(irreducible="theory", offset="free", aspect=True)
    best = SimpleNamespace(form=form, error=error, coverage=coverage, tested=10, test=None)
    verdict = judge_prediction(SimpleNamespace(joint_laws=[best]))
    assert verdict.decision == decision and verdict.effect.value == pytest.approx(100 * error)
    assert (verdict.counts[0].number, verdict.counts[0].total) == (round(10 * coverage), 10)
