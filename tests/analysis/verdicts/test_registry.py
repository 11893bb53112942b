"""Every claim is complete and found by itself; a sweep is judged by objective, by variant and as a whole."""

from types import SimpleNamespace

import pandas as pd
import pytest

from analysis.verdicts import registry
from analysis.verdicts.claim import Claim, Scope, Source
from analysis.verdicts.registry import all_claims, judgments, of_objective
from analysis.verdicts.verdict import Decision, Verdict
from tests.conftest import REPOSITORY


def test_every_claim_is_whole_and_told_apart():
    claims = all_claims()
    for name in ("id", "name", "statement"):
        assert len({getattr(claim, name) for claim in claims}) == len(claims) >= 13
    for claim in claims:
        assert (REPOSITORY / "analysis" / claim.script).is_file() and claim.figures
        assert (REPOSITORY / "sweeps/grids" / claim.grid).is_file()
    sources = [claim.source for claim in claims]
    assert sources == sorted(sources, key=lambda source: source is Source.OURS)


def analysis_of(*runs):
    finished = pd.DataFrame(runs, columns=["objective", "variant"])
    laws = {variant: [] for variant in finished["variant"]}
    return SimpleNamespace(finished=finished, fits=finished[["variant"]], joint_laws=laws)


@pytest.fixture
def scopes(monkeypatch):
    """One claim of each scope, judged as undecided on the variants that its evidence has."""

    def claim(scope):
        judge = lambda evidence: Verdict(Decision.UNDECIDED, explanation=", ".join(sorted(evidence.variants)))  # noqa: E731
        return Claim(scope, scope, Source.OURS, scope, judge, ("f",), "s", "g", scope)

    made = tuple(map(claim, Scope))
    monkeypatch.setattr(registry, "all_claims", lambda: made)


def said(judged):
    return [(each.claim.id, each.verdict.explanation, each.variant) for each in judged]


@pytest.mark.usefixtures("scopes")
def test_claims_are_judged_of_what_their_scope_says():
    analysis = analysis_of(("mmcr", "mmcr"), ("clip", "clip"))
    assert said(judgments(analysis)) == [
        ("objective", "mmcr", ""), ("variant", "mmcr", ""), ("sweep", "clip, mmcr", "")
    ]  # fmt: skip


@pytest.mark.usefixtures("scopes")
def test_joint_laws_of_several_variants_are_judged_one_by_one_and_in_the_report_alone():
    analysis = analysis_of(("mmcr", "a"), ("mmcr", "b"))
    assert said(of_objective(analysis, "mmcr")) == [
        ("objective", "a, b", ""), ("variant", "a", "a"), ("variant", "b", "b")
    ]  # fmt: skip
    assert [each.claim.id for each in judgments(analysis)] == ["objective", "sweep"]


@pytest.mark.usefixtures("scopes")
def test_runs_without_trajectories_or_of_other_objectives_have_no_claim_of_their_own():
    analysis = analysis_of(("clip", "clip"))
    assert [each.claim.id for each in judgments(analysis)] == ["sweep"]
    analysis.fits = analysis.fits.head(0)
    assert of_objective(analysis, "clip") == []
