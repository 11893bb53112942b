"""All claims, and the verdicts of a sweep on them. A module of `analysis/verdicts/claims` lists its claims in `CLAIMS`;
to add one, write it there: nothing else has to know of it."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import NamedTuple

from analysis.sweep_analysis import SweepAnalysis
from analysis.verdicts import claims
from analysis.verdicts.claim import Claim, Scope, Source
from analysis.verdicts.evidence import Evidence
from analysis.verdicts.verdict import Verdict

SUBJECT = "mmcr"  # the objective that the paper's claims are about


class Judgment(NamedTuple):
    """A claim with the verdict of a sweep; `variant`: of which runs, where it is judged of each variant by itself."""

    claim: Claim
    verdict: Verdict
    variant: str = ""


@cache
def all_claims() -> tuple[Claim, ...]:
    """Every claim, the paper's first."""
    modules = [
        importlib.import_module(f"{claims.__name__}.{info.name}") for info in pkgutil.iter_modules(claims.__path__)
    ]
    found: list[Claim] = [claim for module in modules for claim in module.CLAIMS]
    return tuple(sorted(found, key=lambda claim: claim.source is not Source.PAPER))


def of_objective(analysis: SweepAnalysis, objective: str, joint: bool = True) -> list[Judgment]:
    """The claims on one objective's runs, and those on the joint scaling law of each variant that has one (not where
    `joint` is false); none where no run has a trajectory."""
    runs = analysis.finished[analysis.finished["objective"] == objective]
    variants = sorted(set(runs["variant"]))
    if not analysis.fits["variant"].isin(variants).any():
        return []
    judged = _judged(Evidence(analysis, variants), Scope.OBJECTIVE)
    for variant in variants if joint else []:
        if variant in analysis.joint_laws:
            judged += _judged(Evidence(analysis, [variant]), Scope.VARIANT, variant if len(variants) > 1 else "")
    return judged


def of_sweep(analysis: SweepAnalysis) -> list[Judgment]:
    """The claims on all runs of a sweep together."""
    return _judged(Evidence(analysis, set(analysis.finished["variant"])), Scope.SWEEP)


def judgments(analysis: SweepAnalysis) -> list[Judgment]:
    """All claims that a sweep can speak to, in the order of `all_claims`. Those on a joint scaling law are left out
    where MMCR has several variants (data sets, encoders, options); `report.py` judges them one by one."""
    finished = analysis.finished
    alone = finished.loc[finished["objective"] == SUBJECT, "variant"].nunique() == 1
    order = all_claims()
    judged = of_objective(analysis, SUBJECT, joint=alone) + of_sweep(analysis)
    return sorted(judged, key=lambda each: order.index(each.claim))


def _judged(evidence: Evidence, scope: Scope, variant: str = "") -> list[Judgment]:
    return [Judgment(each, each.judge(evidence), variant) for each in all_claims() if each.scope is scope]
