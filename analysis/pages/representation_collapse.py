"""Representation-collapse detection: runs whose embeddings lie in a few directions."""

from __future__ import annotations

import pandas as pd

from mmcr_core.theory import detect_collapse

COLUMNS = ["variant", "P", "D", "K", "seed", "percent_error", "uniformity", "reason", "run_id"]


def collapsed_runs(finished: pd.DataFrame) -> pd.DataFrame:
    """The runs among `finished` whose embeddings have collapsed, with the reason."""
    known = finished[finished["uniformity"].notna()]
    each = [detect_collapse(u, P, D) for u, P, D in zip(known["uniformity"], known["P"], known["D"], strict=True)]
    flagged = known[pd.Series([found is not None for found in each], known.index, dtype=bool)]
    return flagged.assign(reason=[found.describe() for found in each if found])[COLUMNS]
