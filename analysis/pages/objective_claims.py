"""Claims that set MMCR against the other objectives of one sweep: its bound on information, its accuracy."""

from __future__ import annotations

import pandas as pd
from scipy import stats

from analysis.laws.objective_paths import LEVEL
from analysis.pages.paper_claims import Claim

INFORMATION = "MMCR maximises the lower bound on mutual information"
FAMILIES = "MMCR matches or beats the other families"
BOUND = "mutual_information_bound"
CONTROL = "alignment"  # keeps nothing apart and must collapse: not a family to be compared with
MARGIN = 0.02  # of accuracy, within which two encoders match


def information_claim(differences: pd.DataFrame) -> Claim:
    """MMCR ends with the largest bound of all. Args: differences: of `objective_differences.differences`."""
    rows = _others(differences[differences["quantity"] == BOUND])
    if rows.empty:
        return Claim(INFORMATION, "not tested", "the bound was not measured of MMCR and another objective.", ())
    nearest = rows.loc[rows["difference"].idxmax()]
    below, above = int((rows["high"] < 0).sum()), int((rows["low"] > 0).sum())
    number = (
        f"{-nearest['difference']:+.2f} nats ({-nearest['high']:+.2f} to {-nearest['low']:+.2f}) over the next, "
        f"{nearest['variant']}; above {below} of {len(rows)}"
    )
    verdict = "confirmed" if below == len(rows) else "refuted" if above else "undecided"
    reason = f"bound on the information of one view on the other at the end, of mmcr: {number}, over pairs of runs."
    return Claim(INFORMATION, verdict, reason, ("objectives", "measures"), number)


def families_claim(differences: pd.DataFrame) -> Claim:
    """No other objective ends with more accuracy of any probe. Confirmed where none is ahead by MARGIN or more in
    intervals that hold jointly (Bonferroni), refuted where one is ahead in such an interval, else undecided; one by
    one, intervals at 95 % would find a difference in one comparison of twenty where there is none. Args: as above."""
    rows = _others(differences[differences["quantity"].str.contains("_accuracy")])
    rows = rows[rows["low"].notna()]
    if rows.empty:
        return Claim(FAMILIES, "not tested", "no probe was run of MMCR and another objective with two seeds.", ())
    degrees = rows["pairs"] - 1
    wider = stats.t.ppf(1 - (1 - LEVEL) / 2 / len(rows), degrees) / stats.t.ppf((1 + LEVEL) / 2, degrees)
    half = (rows["high"] - rows["difference"]) * wider
    low, high = rows["difference"] - half, rows["difference"] + half
    ahead, behind = int((rows["high"] < 0).sum()), int((rows["low"] > 0).sum())
    best = rows.loc[rows["difference"].idxmax()]
    number = (
        f"ahead in {ahead}, behind in {behind} of {len(rows)} comparisons one by one, in {int((high < 0).sum())} and "
        f"{int((low > 0).sum())} jointly; largest shortfall of its mean: {best['variant']} {-best['difference']:+.3f} "
        f"({-best['high']:+.3f} to {-best['low']:+.3f})"
    )
    reason = f"accuracy of mmcr less that of {rows['variant'].nunique()} others by each probe, 95 %: {number}."
    verdict = "refuted" if (low > 0).any() else "confirmed" if (high < MARGIN).all() else "undecided"
    return Claim(FAMILIES, verdict, reason, ("objectives",), number)


def _others(rows: pd.DataFrame) -> pd.DataFrame:
    """Where MMCR is what the others are compared with: all but the control."""
    mine = rows["less"].str.split(",").str[0] == "mmcr"
    return rows[mine & (rows["variant"].str.split(",").str[0] != CONTROL)]
