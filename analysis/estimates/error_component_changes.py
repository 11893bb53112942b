"""From the untrained network to the end of each run: the two factors of the percent error."""

from __future__ import annotations

import pandas as pd

from analysis.estimates.peak import finished_runs
from analysis.results.results import Results

FACTORS = ("reconstruction", "uniformity")


def factor_changes(results: Results) -> pd.DataFrame:
    """A row per finished run with a trajectory: variant, P, D, K, seed, steps, and `reconstruction` and `uniformity` at
    the end less those of the first batch, before any training."""
    runs = finished_runs(results)
    first = results.require_single_sweep().sql(
        "SELECT run_id, count(*) AS steps, "
        "arg_min(reconstruction, step) AS first_reconstruction, arg_min(uniformity, step) AS first_uniformity "
        "FROM trajectories GROUP BY run_id HAVING min(step) = 0"
    )
    table = runs[["run_id", "variant", "P", "D", "K", "seed", *FACTORS]].merge(first, on="run_id")
    for name in FACTORS:
        table[name] -= table.pop(f"first_{name}")
    return table
