"""The paper's claim on images and text, of a whole sweep: MMCR is ahead of CLIP at small batches."""

from __future__ import annotations

import pandas as pd

from analysis.laws.small_batches import BELOW, differences, judged_by
from analysis.pages.paper_claims import Claim

STATEMENT = f"MMCR is ahead of CLIP at small batches, P < {BELOW}"
NAMES = {"zero_shot_top1": "zero-shot top-1", "recall_10": "recall at 10 (mean of both directions)"}
FIGURES = ("multimodal",)


def small_batch_claim(table: pd.DataFrame) -> Claim:
    """Confirmed where MMCR is clearly ahead at each batch size below BELOW, refuted where it is clearly behind at any,
    `not tested` where no runs pair up.

    Args: table: of `multimodal.measurements`, of the runs that `small_batches.plain` names.
    """
    found = differences(table)
    if found.empty:
        reason = f"no runs of mmcr and clip have the same P < {BELOW}, D, K, seed, images seen and other settings."
        return Claim(STATEMENT, "not tested", reason, FIGURES)
    ahead, behind = int((found["low"] > 0).sum()), int((found["high"] < 0).sum())
    verdict = "confirmed" if ahead == len(found) else "refuted" if behind else "undecided"
    numbers = "; ".join(_number(row) for row in found.to_dict("records"))
    reason = f"{NAMES[judged_by(table)]} of mmcr less that of clip, over paired seeds: {numbers}"
    reason += f". Clearly ahead at {ahead} and clearly behind at {behind} of {len(found)} batch sizes."
    if (found["seeds"] < 2).all():
        reason += " One seed has no interval: run two or more, or three to be told much."
    return Claim(STATEMENT, verdict, reason, FIGURES, f"{NAMES[judged_by(table)]}: {numbers}")


def _number(row: dict[str, float]) -> str:
    interval = "one seed" if row["seeds"] < 2 else f"{row['low']:+.3f} to {row['high']:+.3f}, {row['seeds']:.0f} seeds"
    return f"P = {row['P']:.0f}: {row['difference']:+.3f} ({interval})"
