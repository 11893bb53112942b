"""MMCR aligns and spreads: both components of the percent error improve."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.estimates.error_component_changes import FACTORS
from analysis.estimates.peak_effects import Contrast, contrast
from analysis.verdicts.claim import Claim, Source
from analysis.verdicts.evidence import Evidence
from analysis.verdicts.verdict import Count, Decision, Verdict, above, effect_of

EXPLANATION = "Each at the end of a run less on its first batch, before any training."


def judge_both_rise(evidence: Evidence) -> Verdict:
    """Confirmed where reconstruction and uniformity both clearly rise, refuted where one clearly falls."""
    changes = evidence.factor_changes
    effects = tuple(effect_of(name, _over_runs(changes, name)) for name in FACTORS)
    if not all(np.isfinite(each.low) for each in effects):
        return Verdict(Decision.UNDECIDED, explanation="Too few runs for an interval.")
    rising = int((changes[list(FACTORS)] > 0).all(axis=1).sum())
    decisions = {above(each) for each in effects}
    decision = (
        Decision.REFUTED
        if Decision.REFUTED in decisions
        else Decision.CONFIRMED
        if decisions == {Decision.CONFIRMED}
        else Decision.UNDECIDED
    )
    return Verdict(decision, effects, (Count(rising, len(changes), "runs raise both"),), EXPLANATION)


def _over_runs(changes: pd.DataFrame, name: str) -> Contrast:
    cell = list(zip(changes["variant"], changes["P"], changes["D"], changes["K"], strict=True))
    return contrast(pd.DataFrame({"cell": cell, "seed": changes["seed"], "value": changes[name]}))


CLAIMS = (
    Claim(
        id="aligns_and_spreads",
        name="Alignment and uniformity rise",
        source=Source.PAPER,
        statement="Training aligns and spreads: reconstruction and uniformity both rise",
        judge=judge_both_rise,
        figures=("gap",),
        script="plot_double_descent.py",
        grid="digits.yaml",
    ),
)
