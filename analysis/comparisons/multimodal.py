"""What image-text runs end with: zero-shot accuracy, retrieval, modality gap and percent error against batch size.

Batch sizes are compared at equal images seen. Runs of several budgets are distinguished, and those of the
most common one taken, which is reported: a run that saw more images is better whatever its objective.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.comparisons.objective_trajectories import over_seeds
from analysis.estimates.peak import finished_runs
from analysis.fitting.resampling import student_half_width
from analysis.results.errors import ResultsError
from analysis.results.results import Results
from analysis.results.variant_labels import AXES, flatten, variants

RANKS = (1, 5, 10)
DIRECTIONS = ("image_to_text_recall", "text_to_image_recall")
ZERO_SHOT = ("zero_shot_top1", "zero_shot_top5")
GAP, ERROR = "modality_gap", "heldout_percent_error"
MEASURED = (*ZERO_SHOT, *(f"{way}_{rank}" for way in DIRECTIONS for rank in RANKS), GAP)
MEASURES = (*MEASURED, *(f"recall_{rank}" for rank in RANKS), ERROR)
CLASSES = {"glyphs": 26, "cifar10": 10, "cifar100": 100, "stl10": 10, "imagenet": 1000}  # of zero-shot data sets
REFERENCE = "clip"  # the objective that others are compared with
AGREE = 0.05  # by which images seen may differ among runs that are compared: whole batches seldom make a budget
RUN = ["run_id", "variant", "objective", "setting", "D", "K", "P", "seed", "images", "budget"]
COLUMNS = [*RUN, "measure", "subject", "value", "count"]
SIDE = ["dataset.root", "dataset.path", "dataset.download", "dataset.processes"]


def measurements(results: Results) -> pd.DataFrame:
    """A row for each finished run and quantity at its end: RUN, measure (one of MEASURES), subject, value, count.

    `variant` tells no budgets apart, `budget` does: the mean images of runs that agree within AGREE. `setting` is all
    of a run but objective, P, D, K, seed and budget. `recall_k` is the mean of both directions. No rows where none of
    MEASURED was measured. Raises ResultsError where no run finished.
    """
    runs = _described(results)
    ends = results.require_single_sweep().measures().merge(runs[[*RUN, "steps"]], on="run_id", suffixes=("_then", ""))
    ends = ends[ends["name"].isin(MEASURED) & (ends["step"] == ends["steps"])].rename(columns={"name": "measure"})
    if ends.empty:
        return pd.DataFrame(columns=COLUMNS)
    errors = runs.assign(measure=ERROR, subject="", value=runs[ERROR], count=0)
    table = pd.concat([ends[COLUMNS], _both_directions(ends)[COLUMNS], errors[COLUMNS]])
    return table.dropna(subset=["value"]).reset_index(drop=True)


def required(results: Results) -> pd.DataFrame:
    """The same. Raises ResultsError where nothing of images and text was measured."""
    table = measurements(results)
    if table.empty:
        raise ResultsError(
            f"{results.root} holds no measures of images and text at the end of its runs; launch a grid of pairs that "
            "asks for them: evaluate: {measures: [zero_shot, retrieval, modality_gap]}"
        )
    return table


def at_equal_images(table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The runs of the most common budget (of equally common ones the largest), and a sentence where others are left
    out, else none."""
    runs = table.drop_duplicates("run_id")
    counts = runs["budget"].value_counts()
    if len(counts) < 2:
        return table, ""
    budget = counts[counts == counts.max()].index.max()
    said = (
        f"runs saw from {runs['images'].min():,} to {runs['images'].max():,} images and are not compared across that: "
        f"of {len(runs)} runs the {counts[budget]} with {budget:,} images, within {100 * AGREE:.0f}%, are taken"
    )
    return table[table["budget"] == budget], said


def over_batches(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each variant, D, K, P, measure and subject: seeds, mean, low and high (Student's t over seeds at 95%,
    NaN for one seed), and chance (NaN where there is none, or it is not known)."""
    by = ["variant", "D", "K", "P", "measure", "subject"]
    found = over_seeds(table, by, ("value",)).join(table.groupby(by)["count"].mean()).reset_index()
    found = found.rename(columns={"value": "mean", "value_low": "low", "value_high": "high"})
    order = found["measure"].map(list(MEASURES).index)
    found = found.assign(chance=_chance(found), order=order).sort_values(["variant", "D", "K", "order", "subject", "P"])
    return found[[*by, "seeds", "mean", "low", "high", "chance"]].reset_index(drop=True)


def paired_differences(table: pd.DataFrame) -> pd.DataFrame:
    """Each variant less the first one of CLIP, over pairs of runs of the same D, K, P and seed: variant, less, D, K, P,
    measure, subject, pairs, mean, low, high (Student's t over pairs at 95%, NaN for one pair); empty without CLIP.

    Args: table: of `measurements`, of one budget.
    """
    by, columns = ["D", "K", "P", "measure", "subject"], ["variant", "less"]
    base = sorted(table.loc[table["objective"] == REFERENCE, "variant"].unique())[:1]
    wide = table.pivot_table(index=[*by, "seed"], columns="variant", values="value")
    rows = []
    for name in (name for name in wide if base and name not in base):
        for key, apart in (wide[name] - wide[base[0]]).dropna().groupby(by):
            half = student_half_width(apart.std(), len(apart))
            rows.append((name, base[0], *key, len(apart), apart.mean(), apart.mean() - half, apart.mean() + half))
    return pd.DataFrame(rows, columns=[*columns, *by, "pairs", "mean", "low", "high"])


def budgets(images: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each run the mean images of those that it agrees with: none more than AGREE above the least of them."""
    least, order = 0.0, np.argsort(images, kind="stable")
    group = np.zeros(len(images), int)
    for before, i in zip([None, *order[:-1]], order, strict=True):
        starts = before is None or images[i] > (1 + AGREE) * least
        least = float(images[i]) if starts else least
        group[i] = 0 if before is None else group[before] + int(starts)
    means = pd.Series(images).groupby(group).transform("mean")
    found: NDArray[np.int64] = means.round().to_numpy(np.int64)
    return found


def _described(results: Results) -> pd.DataFrame:
    runs = finished_runs(results)
    specs = [json.loads(spec) for spec in runs["spec"]]
    unlimited = [{key: value for key, value in spec.items() if key != "budget"} for spec in specs]
    return runs.assign(
        variant=variants(unlimited, beside=results.collapsed_settings),
        setting=[_setting(spec, results.collapsed_settings) for spec in unlimited],
        budget=budgets(runs["images"].to_numpy(np.int64)),
    )


def _setting(spec: dict[str, Any], beside: tuple[str, ...]) -> str:
    kept = {key: value for key, value in spec.items() if key not in (*AXES, "evaluate", "objective")}
    return json.dumps({key: value for key, value in sorted(flatten(kept).items()) if key not in (*SIDE, *beside)})


def _both_directions(ends: pd.DataFrame) -> pd.DataFrame:
    """Means of the two directions of retrieval, of runs that have both."""
    parts = ends["measure"].str.extract(rf"^({'|'.join(DIRECTIONS)})_(\d+)$")
    recalls = ends.assign(measure="recall_" + parts[1])[parts[1].notna()]
    grouped = recalls.groupby([*RUN, "measure", "subject"])
    means = grouped.agg(value=("value", "mean"), count=("count", "mean"), ways=("value", "count")).reset_index()
    return means[means["ways"] == len(DIRECTIONS)]


def _chance(found: pd.DataFrame) -> pd.Series:
    """Recall at k of an order drawn at random among `count` candidates, k / count; zero-shot accuracy of classes drawn
    at random, where their number is known."""
    rank = found["measure"].str.extract(r"(?:recall_|zero_shot_top)(\d+)$")[0].astype(float)
    candidates = found["count"].where(~found["measure"].isin(ZERO_SHOT), found["subject"].map(CLASSES))
    return (rank / candidates.where(candidates > 0)).clip(upper=1)
