"""Paths of runs: percent error and its two factors along compute, means over seeds with intervals."""

from __future__ import annotations

import pandas as pd

from analysis.estimates.fit_data import CELL
from analysis.estimates.peak import finished_runs
from analysis.fitting.resampling import student_half_width
from analysis.results.results import Results

FACTORS = ("percent_error", "reconstruction", "uniformity")
PER_DECADE = 8
LEVEL = 0.95


def paths(results: Results) -> pd.DataFrame:
    """A row for each cell and stretch of compute (PER_DECADE a decade of steps): variant, P, D, K, seeds, flops, and of
    each of FACTORS its mean over seeds with `_low` and `_high`, a 95% interval over seeds (NaN for one seed)."""
    runs = finished_runs(results)
    averages = ", ".join(f"avg({name}) AS {name}" for name in ("flops", *FACTORS))
    binned = results.require_single_sweep().sql(
        f"SELECT run_id, CAST(floor({PER_DECADE} * log10(step + 1)) AS INTEGER) AS bin, {averages} "
        "FROM trajectories GROUP BY ALL ORDER BY run_id, bin"
    )
    table = binned.merge(runs[["run_id", "seed", *CELL]], on="run_id")
    flops = table.groupby([*CELL, "bin"])["flops"].mean()
    return over_seeds(table, [*CELL, "bin"], FACTORS).assign(flops=flops).reset_index().drop(columns="bin")


def over_seeds(table: pd.DataFrame, by: list[str], names: tuple[str, ...]) -> pd.DataFrame:
    """Means of columns over seeds, with Student's t intervals in `NAME_low` and `NAME_high`, and the number of `seeds`;
    indexed by `by`."""
    grouped = table.groupby(by)
    seeds = grouped["seed"].nunique()
    found = pd.DataFrame({"seeds": seeds})
    for name in names:
        mean, count = grouped[name].mean(), grouped[name].count()
        half = student_half_width(grouped[name].std(), count)
        found = found.assign(**{name: mean, f"{name}_low": mean - half, f"{name}_high": mean + half})
    return found


def measured_paths(results: Results) -> pd.DataFrame:
    """A row for each cell, measure (`name` and `subject`) and step at which it was made: variant, P, D, K, name,
    subject, step, seeds, flops, and `value` over seeds with its interval."""
    runs = finished_runs(results)
    columns = [*CELL, "name", "subject", "step"]
    table = results.require_single_sweep().measures().merge(runs[["run_id", "seed", *CELL]], on="run_id")
    if table.empty:
        return pd.DataFrame(columns=[*columns, "seeds", "flops", "value", "value_low", "value_high"])
    flops = table.groupby(columns)["flops"].mean()
    return over_seeds(table, columns, ("value",)).assign(flops=flops).reset_index()
