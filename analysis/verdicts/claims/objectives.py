"""MMCR against the other objectives of a sweep: its bound on mutual information, its accuracy."""

from __future__ import annotations

import numpy as np
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
    comparison of twenty where there is none.

    As other seeds and other test images may both change a difference, its interval is the wider of the two: accuracies
    that tie, or a handful of images, confirm nothing."""
    rows = _others(evidence.differences, evidence.differences["quantity"].str.contains("_accuracy"))
    rows = rows[rows["pairs"] > 1]
    if rows.empty:
        return Verdict(
            Decision.NOT_TESTED, explanation="No probe was run of MMCR and another objective with two seeds."
        )
    joint = _jointly(rows)
    furthest = joint.loc[joint["joint_high"].fillna(np.inf).idxmax()]
    leader = variant_name(furthest["variant"])
    over = "test images" if furthest["by_images"] else "pairs of runs"
    lead = Effect(
        f"furthest that another may lead: {leader}", furthest["difference"], furthest["joint_low"],
        furthest["joint_high"], f"{over}, jointly",
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
    if decision is Decision.UNDECIDED and furthest["by_images"]:
        explanation += " The test images are too few to say more, whatever the seeds; hold out more of them."
    return Verdict(decision, (lead,), counts, explanation)


def _jointly(rows: pd.DataFrame) -> pd.DataFrame:
    """With `joint_low` and `joint_high` of each comparison, the wider of its intervals over pairs of runs and over test
    images after Bonferroni (NaN where it has neither), and whether the upper end is that `by_images`."""
    tail, degrees = (1 - LEVEL) / 2, rows["pairs"] - 1
    of_pairs = stats.t.isf(tail / len(rows), degrees) / stats.t.isf(tail, degrees)
    of_images = stats.norm.isf(tail / len(rows)) / stats.norm.isf(tail)
    at = rows["difference"]
    low, high = (at + (rows[end] - at) * of_pairs for end in ("low", "high"))
    images_low, images_high = (at + (rows[f"images_{end}"] - at) * of_images for end in ("low", "high"))
    return rows.assign(
        joint_low=np.fmin(low, images_low),
        joint_high=np.fmax(high, images_high),
        by_images=images_high.notna() & ~(high >= images_high),
    )


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
