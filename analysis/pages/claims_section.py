"""The report's first section: the claims judged, of each objective apart, and of all runs together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from analysis.results.display_names import OBJECTIVES, variant_name
from analysis.sweep_analysis import SweepAnalysis
from analysis.verdicts.claim import Claim
from analysis.verdicts.registry import SUBJECT, Judgment, of_objective, of_sweep
from analysis.verdicts.rendering import number, numbers, unit
from analysis.verdicts.verdict import QUARTILES, Decision, Verdict


class JudgedClaim(NamedTuple):
    """What a page shows of a claim; `name`: as in every table of claims; `effect` and `interval`: the number that
    decides, `reasoning`: all numbers and the explanation, `figures`: names of pictures on the page."""

    name: str
    statement: str
    decision: Decision
    effect: str
    interval: str
    reasoning: str
    figures: list[str]


def claims_section(analysis: SweepAnalysis, pictures: list[str]) -> dict[str, object]:
    """Claims with verdicts, numbers, explanations and those of `pictures` that show them: of each objective, MMCR
    first, and of all runs together."""
    runs, of_objectives = analysis.finished, []
    order = sorted(set(runs["variant"]))
    of_variant = {name: _own_pictures(pictures, {place}) for place, name in enumerate(analysis.joint_laws)}
    for objective in sorted(runs["objective"].unique(), key=lambda name: (name != SUBJECT, name)):
        judged = of_objective(analysis, objective)
        variants = runs.loc[runs["objective"] == objective, "variant"].unique()
        found = Counter(each.verdict.decision.label for each in judged)
        counts = ", ".join(f"{count} {label}" for label, count in found.items())
        listed = judged_claims(judged, _own_pictures(pictures, {order.index(name) for name in variants}), of_variant)
        of_objectives.append(
            {
                "name": OBJECTIVES.get(objective, objective),
                "opened": objective == SUBJECT,
                "counts": counts,
                "claims": listed,
            }
        )
    together = [each for each in of_sweep(analysis) if each.verdict.decision is not Decision.NOT_TESTED]
    return {"of_objectives": of_objectives, "of_sweep": judged_claims(together, pictures)}


def judged_claims(
    judged: Sequence[Judgment], pictures: list[str], of_variant: Mapping[str, list[str]] = MappingProxyType({})
) -> list[JudgedClaim]:
    """Claims and what decided them, each with those of `pictures`, or of its variant's, that show it."""
    return [
        JudgedClaim(
            f"{claim.name} ({variant_name(variant)})" if variant else claim.name,
            claim.statement,
            verdict.decision,
            *_effect(claim, verdict),
            ". ".join(filter(None, [number(verdict), verdict.explanation])),
            [
                stem
                for figure in claim.figures
                for stem in of_variant.get(variant, pictures)
                if re.fullmatch(rf"{figure}(_\d+)?", stem)
            ],
        )
        for claim, verdict, variant in judged
    ]


def _effect(claim: Claim, verdict: Verdict) -> tuple[str, str]:
    """What decides, a count or an effect or both, and the interval of the effect with what it is over."""
    shown, interval, effect = [], "", verdict.effect
    if verdict.counts and verdict.counts[0].total and not (claim.effect_first and effect):
        shown.append(str(verdict.counts[0]))
    if effect is not None:
        value, low, high = numbers(effect)
        shown.append(f"{effect.what} {value}{unit(effect)}")
        kind = effect.over if effect.over == QUARTILES else ", ".join(filter(None, ["95%", effect.over]))
        interval = f"{low} to {high} ({kind})" if np.isfinite(effect.low) else ""
    return "; ".join(shown), interval


def _own_pictures(pictures: list[str], numbers: set[int]) -> list[str]:
    """Those of some variants: where there are several, figures are numbered in their order."""
    numbered = re.compile(r"_(\d+)$")
    return [stem for stem in pictures if not (found := numbered.search(stem)) or int(found[1]) in numbers]
