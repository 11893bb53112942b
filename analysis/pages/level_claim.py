"""The claim on the size of the data set: the uniformity that a sweep reaches follows the level of N images."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.laws.diagonal_contrasts import brief, contrast
from analysis.pages.paper_claims import Claim

STATEMENT = "The level follows the size of the data set"
LEAST = 0.5  # of the change that the formula foretells: less is not called following


def level_claim(levels: pd.DataFrame) -> Claim:
    """1 - u changes with N as e_inf(P, D, N) does: the slope of the one against the other, a line a cell (1: just so,
    0: not at all). Args: levels: of `level_table`."""
    if levels.empty:
        return Claim(STATEMENT, "not tested", "all runs have data sets of one size.", ("levels",))
    cells = levels.groupby(["P", "D", "K"])
    slopes = pd.DataFrame(
        {"cell": cell, "seed": 0, "value": np.polyfit(line["level"], line["deficit"], 1)[0]}
        for cell, line in cells
        if line["images"].nunique() > 1
    )
    found = contrast(slopes.reindex(columns=["cell", "seed", "value"]))
    reason = (
        "slope of the uniformity deficit 1 - u against e_inf(P, D, N) over data sets of "
        f"{levels['images'].min():.0f} to {levels['images'].max():.0f} images, a line a cell (1: as the formula "
        f"foretells, 0: not at all): {found}, {found.cells} cells."
    )
    if not np.isfinite(found.low):
        return Claim(STATEMENT, "undecided", reason, ("levels",))
    verdict = "confirmed" if found.low > LEAST else "refuted" if found.high < LEAST else "undecided"
    number = f"1 - u changes by {brief(found, 2)} times what the formula foretells, {found.cells} cells"
    return Claim(STATEMENT, verdict, reason, ("levels",), number)
