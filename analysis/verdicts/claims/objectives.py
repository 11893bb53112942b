"""MMCR against the other objectives of a sweep: its bound on mutual information, its accuracy."""

from __future__ import annotations

import pandas as pd
from scipy import stats

from analysis.comparisons.objective_trajectories import LEVEL
from analysis.results.display_names import variant_name
from analysis.verdicts.claim import Claim, Scope, Source
from analysis.verdicts.evidence import Evidence
from analysis.verdicts.verdict import Count, Decision, Effect, Verdict

BOUND = "mutual_information_bound"
CONTROL = "alignment"  # keeps nothing apart and must collapse: not a family to be compared with
MARGIN = 0.02  # of accuracy, within which two encoders match


def judge_information(evidence: Evidence) -> Verdict:
    """Confirmed where the bound of MMCR is clearly above that of every other objective, each by itself."""
    rows = _others(evidence.differences, evidence.differences["quantity"] == BOUND)
    if rows.empty:
        return Verdict(Decision.NOT_TESTED, explanation="The bound was not measured of MMCR and another objective.")
    nearest = rows.loc[rows["difference"].idxmax()]
    below, above = int((rows["high"] < 0).sum()), int((rows["low"] > 0).sum())
    decision = Decision.CONFIRMED if below == len(rows) else Decision.REFUTED if above else Decision.UNDECIDED
    effect = Effect(
        f"bound of MMCR over the next, {variant_name(nearest['variant'])},", -nearest["difference"], -nearest["high"],
        -nearest["low"], "pairs of runs", "nats", digits=2,
    )  # fmt: skip
    counts = (
        Count(below, len(rows), "objectives are clearly below MMCR"),
        Count(above, len(rows), "are clearly above"),
    )
    return Verdict(decision, (effect,), counts, "Bound on the information of one view on the other, at the end.")


def judge_accuracy(evidence: Evidence) -> Verdict:
    """Confirmed where no other objective is ahead by MARGIN or more in intervals that hold jointly (Bonferroni),
    refuted where one is ahead in such an interval. One by one, intervals at 95% would find a difference in one
    comparison of twenty where there is none."""
    rows = _others(evidence.differences, evidence.differences["quantity"].str.contains("_accuracy"))
    rows = rows[rows["low"].notna()]
    if rows.empty:
        return Verdict(
            Decision.NOT_TESTED, explanation="No probe was run of MMCR and another objective with two seeds."
        )
    degrees = rows["pairs"] - 1
    wider = stats.t.ppf(1 - (1 - LEVEL) / 2 / len(rows), degrees) / stats.t.ppf((1 + LEVEL) / 2, degrees)
    half = (rows["high"] - rows["difference"]) * wider
    joint = rows.assign(joint_low=rows["difference"] - half, joint_high=rows["difference"] + half)
    furthest = joint.loc[joint["joint_high"].idxmax()]
    leader = variant_name(furthest["variant"])
    lead = Effect(
        f"furthest that another may lead: {leader}", furthest["difference"], furthest["joint_low"],
        furthest["joint_high"], "pairs of runs, jointly",
    )  # fmt: skip
    leading = int((joint["joint_low"] > 0).sum())
    counts = tuple(
        Count(int(found), len(rows), what)
        for found, what in (
            (leading, "comparisons have another ahead of MMCR, jointly"),
            ((joint["joint_high"] < 0).sum(), "have MMCR ahead, jointly"),
            ((rows["low"] > 0).sum(), "have another ahead, one by one"),
            ((rows["high"] < 0).sum(), "have MMCR ahead, one by one"),
        )
    )
    decision = Decision.REFUTED if leading else Decision.CONFIRMED if lead.high < MARGIN else Decision.UNDECIDED
    explanation = "Accuracy of each other objective less that of MMCR, by each probe."
    return Verdict(decision, (lead,), counts, explanation)


def _others(differences: pd.DataFrame, chosen: pd.Series) -> pd.DataFrame:
    """Where MMCR is what the others are compared with: all but the control."""
    return differences[chosen & (differences["less_objective"] == "mmcr") & (differences["objective"] != CONTROL)]


CLAIMS = (
    Claim(
        id="largest_information_bound",
        name="Largest information bound",
        source=Source.PAPER,
        statement="MMCR maximizes the lower bound on mutual information",
        judge=judge_information,
        figures=("objectives", "measures"),
        script="plot_objectives.py",
        grid="objectives-digits.yaml",
        scope=Scope.SWEEP,
    ),
    Claim(
        id="matches_other_families",
        name="MMCR against other families",
        source=Source.PAPER,
        statement="MMCR matches or beats the other families",
        judge=judge_accuracy,
        figures=("objectives",),
        script="plot_objectives.py",
        grid="objectives-digits.yaml",
        scope=Scope.SWEEP,
    ),
)
