"""What goes with the percent error: measures made at the same steps of the same runs, and how they rank together."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from analysis.estimates.fit_data import CELL
from analysis.estimates.peak import finished_runs
from analysis.results.results import Results

ERROR = "heldout_percent_error"
MEASURE = ["name", "subject"]


def beside_the_error(results: Results) -> pd.DataFrame:
    """A row for each measure of a run at a step where its held-out percent error was measured too: run_id, variant, P,
    D, K, seed, step, name, subject, value, error."""
    runs = finished_runs(results)
    table = results.require_single_sweep().measures().dropna(subset=["value"])
    error = table.loc[table["name"] == ERROR, ["run_id", "step", "value"]].rename(columns={"value": "error"})
    others = table[table["name"] != ERROR].merge(error, on=["run_id", "step"])
    return others.merge(runs[["run_id", "seed", *CELL]], on="run_id")[
        ["run_id", *CELL, "seed", "step", *MEASURE, "value", "error"]
    ]


def tracking(table: pd.DataFrame) -> pd.DataFrame:
    """How each measure ranks with the error along runs: variant, name, subject, runs, and the mean over runs of
    Spearman's rank correlation with its least and largest. Runs that were measured at fewer than four steps say
    nothing."""
    rows = []
    for key, part in table.groupby(["variant", *MEASURE], sort=False):
        along = [run for _, run in part.groupby("run_id") if len(run) > 3 and run["value"].nunique() > 1]
        if along:
            rho = np.array([stats.spearmanr(run["value"], run["error"]).statistic for run in along])
            rows.append((*key, len(rho), rho.mean(), rho.min(), rho.max()))
    return pd.DataFrame(rows, columns=["variant", *MEASURE, "runs", "rank_correlation", "least", "largest"])
