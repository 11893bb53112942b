"""Two claims about every step of a sweep: the percent error stays in [0, 1], and MMCR aligns and spreads."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.laws.diagonal_contrasts import Contrast, brief, contrast
from analysis.laws.factor_changes import FACTORS
from analysis.pages.paper_claims import Claim

RANGE = "The percent error lies in [0, 1], whatever P, D and K"
BOTH = "Training aligns and spreads: reconstruction and uniformity both rise"


def range_claim(changes: pd.DataFrame) -> Claim:
    """The percent error lies between 0 and 1 at every step. Args: changes: of `factor_changes`."""
    if changes.empty:
        return Claim(RANGE, "not tested", "no finished run has a trajectory.", ())
    least, largest, steps = changes["least"].min(), changes["largest"].max(), int(changes["steps"].sum())
    sizes = ", ".join(f"{name} {changes[name].min()} to {changes[name].max()}" for name in ("P", "D", "K"))
    number = f"{least:.3f} to {largest:.3f} in {steps:,} steps of {len(changes)} runs"
    verdict = "confirmed" if least >= 0 and largest <= 1 else "refuted"
    return Claim(RANGE, verdict, f"{number}; {sizes}.", ("double_descent",), number)


def align_and_spread_claim(changes: pd.DataFrame) -> Claim:
    """Reconstruction and uniformity are higher at the end than before training. Args: as above."""
    found = {name: _over_runs(changes, name) for name in FACTORS}
    number = ", ".join(f"{name} {brief(found[name])}" for name in FACTORS)
    if not all(np.isfinite(change.low) for change in found.values()):
        return Claim(BOTH, "undecided", "too few runs for an interval.", ("gap",))
    rising = int((changes[list(FACTORS)] > 0).all(axis=1).sum())
    reason = (
        "at the end less on the first batch, before any training: "
        + "; ".join(f"{name} {found[name]}" for name in FACTORS)
        + f"; both rose in {rising} of {len(changes)} runs."
    )
    rises, falls = all(each.low > 0 for each in found.values()), any(each.high < 0 for each in found.values())
    verdict = "confirmed" if rises else "refuted" if falls else "undecided"
    return Claim(BOTH, verdict, reason, ("gap",), f"{number}; both in {rising} of {len(changes)} runs")


def _over_runs(changes: pd.DataFrame, name: str) -> Contrast:
    cell = list(zip(changes["variant"], changes["P"], changes["D"], changes["K"], strict=True))
    return contrast(pd.DataFrame({"cell": cell, "seed": changes["seed"], "value": changes[name]}))
