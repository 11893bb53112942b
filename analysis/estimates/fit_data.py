"""The finished runs of a sweep's cells as points to fit laws to: percent error against compute, with its noise.

Two kinds of points are distinguished. `trajectory`: the error along each run, in bins even in log compute, from the
end of warm-up on. `budget`: the final error of runs of several budgets, each a run that ended, learning-rate decay
included.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.linalg import block_diag

from analysis.estimates.uniform_baseline import ENDLESS, Level, level_of
from analysis.fitting.log_bins import Array, Bins, after_warmup, batch_means_error, decays, log_bins, pooled
from analysis.results.results import Results
from analysis.results.variant_labels import variants
from sweeps.storage.run_status import RunStatus

CELL = ["variant", "P", "D", "K"]
LAWS = ("trajectory", "budget")
MOST_CURVES = 6  # of a cell: of more seeds, groups are pooled to so many mean curves; fits cost as their points
AXES = {
    "flops": "compute (FLOPs)",
    "seconds": "device-seconds, at the run's mean speed",
    "images": "images shown",
    "steps": "optimizer steps",
}
Key = tuple[str, int, int, int]  # variant, P, D, K


@dataclass(frozen=True)
class Cell:
    """Percent errors of one cell at compute x: their standard errors, the covariance of their logarithms, the
    seed of the run that each comes from (of a group of runs where there are more than MOST_CURVES), whether the
    learning rate decays along a trajectory, the uniform baseline there, how many steps have no positive error (laws are
    fitted in logs) and are left out, and how many seeds there were where they are pooled."""

    x: Array
    error: Array
    error_se: Array
    covariance: Array
    seeds: list[int]
    decays: bool
    level: Level = ENDLESS
    left_out: int = 0
    replicates: int | None = None

    def run(self, seed: int) -> Cell:
        """The points of one seed's run."""
        mine = np.flatnonzero(np.asarray(self.seeds) == seed)
        own = self.covariance[np.ix_(mine, mine)]
        return replace(
            self, x=self.x[mine], error=self.error[mine], error_se=self.error_se[mine], covariance=own,
            seeds=[seed] * len(mine),
        )  # fmt: skip


def measured_cells(results: Results, law: str = "trajectory", axis: str = "flops") -> dict[Key, Cell]:
    """The finished runs of each cell, as points of one of LAWS over one of AXES (each cumulative). Raises ValueError
    for another law or axis."""
    for what, value, known in (("law", law, LAWS), ("axis", axis, tuple(AXES))):
        if value not in known:
            raise ValueError(f"{what} '{value}' is unknown; use one of {', '.join(known)}")
    return {"trajectory": binned_cells, "budget": budget_cells}[law](results, axis)


def binned_cells(results: Results, axis: str = "flops") -> dict[Key, Cell]:
    """Points along the trajectories of each cell."""
    runs = _finished(results)
    levels = {key: level_of(group) for key, group in runs.groupby(CELL)}
    binned: dict[str, tuple[Bins | None, bool, int]] = {}
    for run, x, error, rate in _trajectories(results, runs, axis):
        first = after_warmup(rate)
        positive = error[first:] > 0
        bins = log_bins(x[first:][positive], error[first:][positive]) if positive.any() else None
        binned[run.run_id] = bins, decays(rate), int((~positive).sum())
    cells: dict[Key, list[tuple[int, Bins, bool]]] = {}
    left_out: dict[Key, int] = {}
    for run in runs[runs["run_id"].isin(binned)].itertuples():
        (bins, decaying, without), key = binned[run.run_id], (run.variant, run.P, run.D, run.K)
        left_out[key] = left_out.get(key, 0) + without
        if bins is not None:
            cells.setdefault(key, []).append((run.seed, bins, decaying))
    counts = {key: len({seed for seed, _, _ in curves}) for key, curves in cells.items()}
    cells = {key: _pooled(curves) for key, curves in cells.items()}
    return {
        key: Cell(
            x=np.concatenate([bins.x for _, bins, _ in runs]),
            error=np.concatenate([bins.y for _, bins, _ in runs]),
            error_se=np.concatenate([bins.error for _, bins, _ in runs]),
            covariance=block_diag(*(bins.covariance for _, bins, _ in runs)),
            seeds=[seed for seed, bins, _ in runs for _ in bins.x],
            decays=any(decaying for _, _, decaying in runs),
            level=levels[key],
            left_out=left_out[key],
            replicates=counts[key],
        )
        for key, runs in cells.items()
    }


def _pooled(curves: list[tuple[int, Bins, bool]]) -> list[tuple[int, Bins, bool]]:
    """No more than MOST_CURVES curves of a cell: means over groups of seeds, whose spread is that between seeds."""
    if len(curves) <= MOST_CURVES or len({len(bins.x) for _, bins, _ in curves}) > 1:
        return curves
    groups = [curves[first::MOST_CURVES] for first in range(MOST_CURVES)]
    return [(group[0][0], pooled([bins for _, bins, _ in group]), any(d for _, _, d in group)) for group in groups]


def budget_cells(results: Results, axis: str = "flops") -> dict[Key, Cell]:
    """Final errors of runs that differ in their budget only; seeds are replicates across budgets."""
    runs = _finished(results)
    specs = [json.loads(spec) for spec in runs["spec"]]
    runs["variant"] = variants([{key: value for key, value in spec.items() if key != "budget"} for spec in specs],
                               beside=results.collapsed_settings)  # fmt: skip
    runs["noise"] = tail_errors(results).reindex(runs["run_id"]).to_numpy()
    cells = {}
    for key, group in runs.groupby(CELL):
        part = group.sort_values(axis if axis != "seconds" else "wall_seconds")
        error = part["percent_error"].to_numpy(float)
        spread = part["noise"].fillna(0).to_numpy(float)
        cells[key] = Cell(
            x=part["wall_seconds" if axis == "seconds" else axis].to_numpy(float),
            error=error,
            error_se=spread,
            covariance=np.diag((spread / error) ** 2),
            seeds=part["seed"].tolist(),
            decays=False,
            level=level_of(group),
        )
    return cells


def tail_errors(results: Results) -> pd.Series:
    """Standard error of each finished run's percent_error (mean over the last 5% of its steps), by run_id."""
    steps = _finished(results).set_index("run_id")["steps"].astype(int)
    found = {}
    for run_id, table in results.trajectories_of(set(steps.index), ["step", "percent_error"]):
        last = table["step"].to_numpy() >= steps[run_id] - max(1, (steps[run_id] + 10) // 20)
        if last.any():
            found[run_id] = batch_means_error(table["percent_error"].to_numpy()[last])
    return pd.Series(found, name="percent_error", dtype=float).sort_index().rename_axis("run_id")


def _finished(results: Results) -> pd.DataFrame:
    runs = results.require_single_sweep().runs()
    return runs[runs["status"] == RunStatus.FINISHED].copy()


def _trajectories(results: Results, runs: pd.DataFrame, axis: str) -> Iterator[tuple[Any, Array, Array, Array]]:
    """Each run that has a trajectory, in no order of runs, with its x, percent error and learning rate at each step."""
    rows = {run.run_id: run for run in runs.itertuples()}
    cumulative = axis if axis in ("flops", "images") else "step"
    columns = [cumulative, "percent_error", "learning_rate"]
    for run_id, table in results.require_single_sweep().trajectories_of(set(rows), columns):
        run, (x, error, rate) = rows[run_id], (table[name].to_numpy().astype(float) for name in columns)
        done = x + 1 if cumulative == "step" else x
        yield run, done * float(run.wall_seconds) / float(run.steps) if axis == "seconds" else done, error, rate
