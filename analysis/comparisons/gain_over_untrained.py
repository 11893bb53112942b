"""What training gained: accuracy of a probe at the end less that of the untrained network, over the runs of a cell."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.comparisons.objective_trajectories import over_seeds
from analysis.estimates.fit_data import CELL
from analysis.estimates.peak import finished_runs
from analysis.results.results import Results

COLUMNS = [*CELL, "probe", "labels", "seeds", "gain", "low", "high", "above_untrained"]


def gains(results: Results) -> pd.DataFrame:
    """A row for each cell and probe: variant, P, D, K, probe, labels, seeds, gain (mean over seeds), low, high, and
    whether the interval lies above 0.

    There are two reasons to doubt a gain: other test images, which each run's own paired interval knows, and other
    seeds, which Student's t over the runs knows. Seeds share their test images, so the first does not shrink with their
    number: its mean over runs is taken. The interval is the wider of the two.
    """
    runs = finished_runs(results)
    table = results.require_single_sweep().measures().merge(runs[["run_id", "seed", "steps", *CELL]], on="run_id")
    table = table[table["name"].str.endswith("_gain") & (table["step"] == table["steps"])].dropna(subset=["value"])
    if table.empty:
        return pd.DataFrame(columns=COLUMNS)
    by = [*CELL, "name", "subject"]
    found = over_seeds(table, by, ("value",)).join(table.groupby(by)[["low", "high"]].mean())
    low = np.fmin(found["value_low"], found["low"])
    high = np.fmax(found["value_high"], found["high"])
    found = found.assign(gain=found["value"], low=low, high=high, above_untrained=low > 0).reset_index()
    probe = found["name"].str.removesuffix("_gain")
    labels = found["subject"].where(found["subject"] != "", "all labels")
    return found.assign(probe=probe, labels=labels)[COLUMNS]
