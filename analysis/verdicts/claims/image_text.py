"""MMCR against CLIP on images and text, where batches are small."""

from __future__ import annotations

from analysis.comparisons.mmcr_vs_clip import BELOW, differences, judged_by
from analysis.verdicts.claim import Claim, Scope, Source
from analysis.verdicts.evidence import Evidence
from analysis.verdicts.verdict import Count, Decision, Effect, Verdict

NAMES = {"zero_shot_top1": "zero-shot top-1", "recall_10": "recall at 10 (mean of both directions)"}


def judge_small_batches(evidence: Evidence) -> Verdict:
    """Confirmed where MMCR is clearly ahead at each batch size below BELOW, refuted where clearly behind at any."""
    pairs = evidence.pairs
    found = differences(pairs).to_dict("records") if not pairs.empty else []
    if not found:
        reason = f"No runs of MMCR and CLIP have the same P < {BELOW}, D, K, seed, images seen and other settings."
        return Verdict(Decision.NOT_TESTED, explanation=reason)
    effects = tuple(
        Effect(f"P = {row['P']:.0f}:", row["difference"], row["low"], row["high"],
               "one seed" if row["seeds"] < 2 else f"{row['seeds']:.0f} seeds")
        for row in found
    )  # fmt: skip
    ahead, behind = sum(each.low > 0 for each in effects), sum(each.high < 0 for each in effects)
    counts = (
        Count(ahead, len(effects), f"batch sizes have MMCR clearly ahead in {NAMES[judged_by(pairs)]}"),
        Count(behind, len(effects), "have it clearly behind"),
    )
    explanation = "Of MMCR less that of CLIP, over paired seeds."
    if all(row["seeds"] < 2 for row in found):
        explanation += " One seed has no interval: run three seeds or more."
    decision = Decision.CONFIRMED if ahead == len(effects) else Decision.REFUTED if behind else Decision.UNDECIDED
    return Verdict(decision, effects, counts, explanation)


CLAIMS = (
    Claim(
        id="ahead_of_clip_at_small_batches",
        name="MMCR ahead of CLIP",
        source=Source.PAPER,
        statement=f"MMCR is ahead of CLIP at small batches, P < {BELOW}",
        judge=judge_small_batches,
        figures=("multimodal",),
        script="plot_multimodal.py",
        grid="multimodal-glyphs.yaml",
        scope=Scope.SWEEP,
    ),
)
