"""Of runs that differ in one swept setting, those with the lowest final error: one learning rate for all batch
sizes confounds P with the size of a step."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from analysis.results.errors import ResultsError
from analysis.results.variant_labels import NOT_VARIANT, flatten, variants
from sweeps.storage.run_status import RunStatus

CELL = ["variant", "P", "D", "K"]


def best_over(runs: pd.DataFrame, key: str) -> tuple[pd.DataFrame, str]:
    """The runs of the best value of `key` in each cell, by the mean final percent error over seeds, `variant` without
    it; and a sentence on what was taken. Cells of which no run finished keep all their runs.

    Raises: ResultsError where `key` does not vary, or is an axis of the figures.
    """
    specs = [json.loads(spec) for spec in runs["spec"]]
    flat = [flatten(spec) for spec in specs]
    values = [json.dumps(one.get(key)) for one in flat]
    swept = sorted(name for name in {name for one in flat for name in one} - set(NOT_VARIANT)
                   if len({json.dumps(one.get(name)) for one in flat}) > 1)  # fmt: skip
    if key in NOT_VARIANT:
        raise ResultsError(f"'{key}' is an axis of the figures, or tells replicates apart; name another swept setting")
    if key not in swept:
        use = f"use {' or '.join(swept)}" if swept else "nothing beside P, D, K and seed does"
        raise ResultsError(f"'{key}' does not vary over these runs; {use}")
    table = runs.assign(variant=variants(specs, beside=(key,)), value=values)
    means = table[table["status"] == RunStatus.FINISHED].groupby([*CELL, "value"])["percent_error"].mean()
    best = means.groupby(CELL).idxmin().map(lambda found: found[-1])
    wanted = pd.Series(list(table[CELL].itertuples(index=False, name=None)), index=table.index).map(best.to_dict())
    taken = best.value_counts()
    counts = ", ".join(f"{json.loads(value)} in {taken[value]}" for value in sorted(taken.index))
    kept = table[wanted.isna() | np.equal(wanted.to_numpy(object), table["value"].to_numpy(object))]
    said = f"of each cell the {key} with the lowest final error is used: {counts} of {len(best)} cells"
    return kept.drop(columns="value"), said
