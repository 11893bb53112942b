"""Is MMCR ahead of CLIP where batches are small? Differences of paired runs at each batch size."""

from __future__ import annotations

import json

import pandas as pd

from analysis.comparisons.multimodal import ZERO_SHOT
from analysis.fitting.resampling import student_half_width
from analysis.results.results import Results

BELOW = 512  # images per batch, below which the paper has MMCR ahead
SAME = ["setting", "D", "K", "budget", "subject"]
COLUMNS = ["P", "pairs", "seeds", "difference", "low", "high"]


def plain(results: Results) -> set[str]:
    """run_id of runs whose objective is `mmcr` with no share of CLIP's loss in it, or `clip`."""
    objectives = {
        run_id: json.loads(spec)["objective"] for run_id, spec in results.runs()[["run_id", "spec"]].to_numpy()
    }
    return {
        run_id
        for run_id, objective in objectives.items()
        if objective["name"] == "clip" or (objective["name"] == "mmcr" and not objective.get("clip_weight"))
    }


def judged_by(table: pd.DataFrame) -> str:
    """The measure that decides: zero-shot top-1, or recall at 10 where that was not measured."""
    return ZERO_SHOT[0] if (table["measure"] == ZERO_SHOT[0]).any() else "recall_10"


def differences(table: pd.DataFrame) -> pd.DataFrame:
    """MMCR less CLIP in `judged_by` for each P below BELOW, over pairs of runs with the same D, K, seed, images and
    settings: P, pairs, seeds, difference, low, high.

    Pairs of one seed are averaged first, and Student's t is over seeds (NaN for one). Of several options of an
    objective the mean counts.

    Args: table: of `multimodal.measurements`, of the runs that `plain` names.
    """
    small = table[(table["measure"] == judged_by(table)) & (table["P"] < BELOW)]
    wide = small.pivot_table(index=[*SAME, "P", "seed"], columns="objective", values="value")
    if not {"mmcr", "clip"} <= set(wide.columns):
        return pd.DataFrame(columns=COLUMNS)
    apart = (wide["mmcr"] - wide["clip"]).dropna()
    rows = []
    for P, pairs in apart.groupby("P"):
        by_seed = pairs.groupby("seed").mean()
        n, mean = len(by_seed), float(by_seed.mean())
        half = student_half_width(by_seed.std(), n)
        rows.append((P, len(pairs), n, mean, mean - half, mean + half))
    return pd.DataFrame(rows, columns=COLUMNS)
