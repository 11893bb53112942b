"""Representation-collapse detection of the report: runs whose embeddings have collapsed to a few directions."""

from __future__ import annotations

import pandas as pd

from analysis.pages.html_page import paragraph, section, table
from mmcr_core.theory import collapse

COLUMNS = ["variant", "P", "D", "K", "seed", "percent_error", "uniformity"]


def collapsed_runs(finished: pd.DataFrame) -> list[str]:
    """A section that names the runs among `finished` whose embeddings have collapsed, with the reason; none, none."""
    known = finished[finished["uniformity"].notna()]
    reasons = [collapse(u, P, D) for u, P, D in zip(known["uniformity"], known["P"], known["D"], strict=True)]
    flagged = known.assign(reason=reasons)
    flagged = flagged[flagged["reason"] != ""]
    if flagged.empty:
        return []
    share = f"{len(flagged)} of {len(finished)} finished runs have collapsed: their mean embeddings lie in a few "
    warning = share + "directions at the end, so that their percent error is no fair part of a law."
    return [section("Collapsed runs", paragraph(warning, "warning") + table(flagged[[*COLUMNS, "reason", "run_id"]]))]
