"""What a sweep's runs measured on their way, finished or not, as points of a forecast."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.estimates.uniform_baseline import Level, level_of
from analysis.fitting.forecast.points import Array, Points, places, relative_error, rung_windows
from analysis.fitting.forecast.scales import Scale, shrunken
from analysis.fitting.log_bins import decays
from analysis.results.errors import ResultsError
from analysis.results.results import Results
from analysis.results.variant_labels import variants
from mmcr_core.theory import expected_percent_error
from sweeps.storage.filesystems import read_table
from sweeps.storage.run_status import RunStatus
from sweeps.storage.snapshot import Snapshot

COLUMNS = ["run_id", "variant", "objective", "P", "D", "K", "seed", "steps", "percent_error", "flops_per_step"]
Z95 = 1.959964


@dataclass(frozen=True)
class Measured:
    """One run's values, each at the steps (mean over a window) and with the variance of its mean; in (0, 1)."""

    steps: Array
    value: Array
    variance: Array


def planned_runs(results: Results) -> pd.DataFrame:
    """Every run of the sweep: those that finished, and the cells of the last launch that did not: run_id, variant,
    objective, P, D, K, seed, steps (of the whole run), percent_error and flops_per_step (NaN where not known), level
    (a `Level`), `finished`, `fixed_steps`: whether the budget is one of steps, whatever P is, `from_step`: from which
    an unfinished one goes on (0: it was not begun)."""
    runs = results.runs()
    finished = runs[runs["status"] == RunStatus.FINISHED]
    cells = _cells_of_the_last_launch(results)
    if results.collapsed_settings:  # of other values of these, nobody asks
        cells = cells.iloc[:0]
    others = cells[~cells["run_id"].isin(finished["run_id"])]
    rows = pd.concat([finished.assign(finished=True), others.assign(finished=False)], ignore_index=True)
    specs = [json.loads(spec) for spec in rows["spec"]]
    rows["variant"] = variants(specs, beside=results.collapsed_settings)
    rows["objective"] = [spec["objective"]["name"] for spec in specs]
    rows["fixed_steps"] = [spec["budget"].get("steps") is not None for spec in specs]
    snapshot = Snapshot(results.root)
    rows["from_step"] = [0 if row.finished else snapshot.checkpointed_step(row.run_id) for row in rows.itertuples()]
    rows["flops_per_step"] = rows["flops_per_step"].fillna(rows["run_id"].map(_flops_of_a_step(results, rows)))
    levels = {variant: level_of(group) for variant, group in rows.groupby("variant")}
    columns = [*COLUMNS, "finished", "fixed_steps", "from_step"]
    return rows.reindex(columns=columns).assign(level=rows["variant"].map(levels))


def _flops_of_a_step(results: Results, rows: pd.DataFrame) -> dict[str, float]:
    """By run_id, of those that were begun and have no row."""
    begun = set(rows.loc[rows["flops_per_step"].isna(), "run_id"])
    found = results.trajectories_of(begun, ["flops"]) if begun else ()
    return {run_id: float(max(table["flops"].to_numpy())) / len(table) for run_id, table in found if len(table)}


def _cells_of_the_last_launch(results: Results) -> pd.DataFrame:
    path = results.root / "cells.parquet"
    if not path.exists():  # written by version 0.2 and later
        return pd.DataFrame(columns=["run_id", "P", "D", "K", "seed", "steps", "spec"])
    frame: pd.DataFrame = read_table(path).to_pandas()
    return frame


def percent_errors(results: Results, runs: pd.DataFrame) -> dict[str, Measured]:
    """Percent errors of `planned_runs` at the ends of rungs, as far as they were trained, by run_id; of those whose
    learning rate decays, the end alone."""
    whole = runs.set_index("run_id")["steps"].astype(int)
    found = {}
    for run_id, table in results.trajectories_of(set(whole.index), ["step", "percent_error", "learning_rate"]):
        frame = table.to_pandas().sort_values("step")
        errors, rate = frame["percent_error"].to_numpy(float), frame["learning_rate"].to_numpy(float)
        settled = 2 * int(np.argmax(rate >= 0.999 * rate.max()))
        windows = rung_windows(len(errors), whole[run_id], settled)
        if decays(rate):
            windows = [window for window in windows if window[1] == whole[run_id]]
        parts = [(first, end, errors[first:end]) for first, end in windows if (errors[first:end] > 0).all()]
        if parts:
            found[run_id] = Measured(
                np.array([(first + end) / 2 for first, end, _ in parts]),
                np.array([part.mean() for _, _, part in parts]),
                np.array([(part.mean() * relative_error(part)) ** 2 for _, _, part in parts]),
            )
    return found


def measure_values(results: Results, runs: pd.DataFrame, name: str) -> dict[str, Measured]:
    """The same of a measure such as knn_accuracy, wherever it was measured after some training; shrunk from 0 and 1 by
    half a count, so that logits are finite. Raises as `measure_rows`."""
    rows = measure_rows(results, name)
    rows = rows[(rows["step"] > 0) & rows["run_id"].isin(runs["run_id"])]
    found = {}
    for run_id, part in rows.sort_values("step").groupby("run_id"):
        count = np.maximum(part["count"].to_numpy(float), 1)
        value = shrunken(part["value"].to_numpy(float), count)
        spread = (part["high"] - part["low"]).to_numpy(float) / (2 * Z95)
        variance = np.where(np.isfinite(spread), spread**2, value * (1 - value) / count)
        found[str(run_id)] = Measured(part["step"].to_numpy(float), value, np.maximum(variance, 1e-10))
    return found


def measure_rows(results: Results, name: str) -> pd.DataFrame:
    """The rows of a measure that have a value: those without a subject, where a run has such, else those of its only
    one. Raises ResultsError for a measure that no run has, of several subjects, or outside of [0, 1]."""
    measures = results.measures()
    rows = measures[(measures["name"] == name) & measures["value"].notna()]
    if rows.empty:
        there = ", ".join(sorted(measures["name"].unique())) or "none"
        raise ResultsError(f"no run of the sweep has a measure {name}; measured: {there}")
    whole = rows.groupby("run_id")["subject"].transform(lambda subjects: (subjects == "").any())
    rows = rows[~whole | (rows["subject"] == "")]
    if (rows.groupby("run_id")["subject"].nunique() > 1).any():
        subjects = ", ".join(sorted(rows["subject"].unique()))
        raise ResultsError(f"{name} is measured of {subjects}; what has several subjects is not predicted")
    if not rows["value"].between(0, 1).all():
        low, high = rows["value"].min(), rows["value"].max()
        raise ResultsError(f"{name} goes from {low:.3g} to {high:.3g}; a measure is predicted if it is in [0, 1]")
    return rows


def whole_steps(planned: pd.DataFrame, cells: pd.DataFrame) -> Array:
    """Steps of a whole run of each cell (rows with variant, P, D, K): as its runs have, else as many as others of its
    variant where their budget is one of steps, else with as many images as the longest of these."""
    known = planned.groupby(["variant", "P", "D", "K"])["steps"].max()
    own = known.reindex(pd.MultiIndex.from_frame(cells[["variant", "P", "D", "K"]])).to_numpy(float)
    images = (planned["steps"] * planned["P"]).groupby(planned["variant"]).max()
    steps, fixed = (planned.groupby("variant")[name].max() for name in ("steps", "fixed_steps"))
    by_images = np.maximum(cells["variant"].map(images) // cells["P"], 1)
    other = np.where(cells["variant"].map(fixed).astype(bool), cells["variant"].map(steps), by_images)
    found: Array = np.where(np.isfinite(own), own, other).astype(float)
    return found


def flops_per_step(planned: pd.DataFrame, cells: pd.DataFrame) -> Array:
    """FLOPs of a step of each cell (rows with variant, P, D, K): as its runs have it, else by the median per view of
    all runs. Raises ResultsError where no run has any."""
    per_view = (planned["flops_per_step"] / planned["P"] / planned["K"]).median()
    if not np.isfinite(per_view):
        raise ResultsError("no run of the sweep has its flops_per_step; give steps")
    known = planned.groupby(["variant", "P", "D", "K"])["flops_per_step"].mean()
    own = known.reindex(pd.MultiIndex.from_frame(cells[["variant", "P", "D", "K"]])).to_numpy(float)
    found: Array = np.where(np.isfinite(own), own, per_view * (cells["P"] * cells["K"]).to_numpy(float))
    return found


def as_points(runs: pd.DataFrame, measured: Mapping[str, Measured], scale: Scale) -> Points:
    """Points of the runs (rows of `planned_runs`) that were measured; `run`: the row's number,
    `variant`: its number among the sorted names."""
    names = {name: number for number, name in enumerate(sorted(runs["variant"].unique()))}
    parts = []
    for number, run in enumerate(runs.itertuples()):
        if (found := measured.get(run.run_id)) is not None:
            at = places(
                run.P, run.D, run.K, found.steps, baseline(run.level, run.P, run.D), names[run.variant], number, 1
            )
            variance = found.variance / scale.slope(found.value) ** 2
            parts.append(replace(at, value=scale.transform(found.value), variance=variance))
    return Points.concatenate(parts)


def baseline(level: Level, P: float, D: float) -> float:
    """e_inf(P, D) of a level."""
    images = max(level.images, P)
    return float(expected_percent_error(P, D, N=images if np.isfinite(images) else None, rank=level.rank))
