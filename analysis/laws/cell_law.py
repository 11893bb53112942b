"""The power law of the percent error against compute, for each cell of a sweep.

Two laws are told apart. `trajectory`: the error along each run, in bins even in log compute, from the end of
warm-up on. `budget`: the final error of runs of several budgets, each a run that ended, learning-rate decay
included. With a constant learning rate the two should agree; with a decay only `budget` is a law.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.linalg import block_diag

from analysis.laws.log_bins import Array, Bins, batch_means_error, decays, log_bins, settled
from analysis.laws.power_law_fit import PowerLawFit, fit_power_law
from analysis.reading.results import Results, variants
from mmcr_core.theory import expected_percent_error

CELL = ["variant", "P", "D", "K"]
FLOORS = ("none", "free", "theory")
LAWS = ("trajectory", "budget")
TOGETHER = 25  # runs whose trajectories are read at once
HOLDOUT = 0.25  # of the points, those of largest compute, to compare floors by extrapolation
AXES = {
    "flops": "compute (FLOPs)",
    "seconds": "device-seconds, at the run's mean speed",
    "images": "images shown",
    "steps": "optimiser steps",
}
NUMBERS = ("E", "A", "alpha", "scale", "aicc", "points", "decades")
Key = tuple[str, int, int, int]  # variant, P, D, K
Fits = dict[tuple[str, int, int, int, str], PowerLawFit]


@dataclass(frozen=True)
class Cell:
    """Percent errors of one cell at compute x: their standard errors, the covariance of their logarithms, the
    seed of the run that each comes from, and whether the learning rate decays along a trajectory."""

    x: Array
    error: Array
    error_se: Array
    covariance: Array
    seeds: list[int]
    decays: bool


def measured_cells(results: Results, law: str = "trajectory", axis: str = "flops") -> dict[Key, Cell]:
    """The finished runs of each cell, as points of one of LAWS over one of AXES (each cumulative)."""
    return {"trajectory": binned_cells, "budget": budget_cells}[law](results, axis)


def binned_cells(results: Results, axis: str = "flops") -> dict[Key, Cell]:
    """Points along the trajectories of each cell."""
    cells: dict[Key, list[tuple[int, Bins, bool]]] = {}
    runs = _finished(results)
    for run, trajectory in _trajectories(results, runs):
        steps = settled(trajectory)
        steps = steps[steps["percent_error"] > 0]  # laws are fitted in logs
        if steps.empty:
            continue
        bins = log_bins(_cumulative(steps, run, axis), steps["percent_error"].to_numpy(float))
        cells.setdefault((run.variant, run.P, run.D, run.K), []).append((run.seed, bins, decays(trajectory)))
    return {
        key: Cell(
            x=np.concatenate([bins.x for _, bins, _ in runs]),
            error=np.concatenate([bins.y for _, bins, _ in runs]),
            error_se=np.concatenate([bins.error for _, bins, _ in runs]),
            covariance=block_diag(*(bins.covariance for _, bins, _ in runs)),
            seeds=[seed for seed, bins, _ in runs for _ in bins.x],
            decays=any(decaying for _, _, decaying in runs),
        )
        for key, runs in cells.items()
    }


def budget_cells(results: Results, axis: str = "flops") -> dict[Key, Cell]:
    """Final errors of runs that differ in their budget only; seeds are replicates across budgets."""
    runs = _finished(results)
    specs = [json.loads(spec) for spec in runs["spec"]]
    runs["variant"] = variants([{key: value for key, value in spec.items() if key != "budget"} for spec in specs])
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
        )
    return cells


def _finished(results: Results) -> pd.DataFrame:
    runs = results.runs()
    return runs[runs["status"] == "finished"].copy()


def _trajectories(results: Results, runs: pd.DataFrame) -> Iterator[tuple[Any, pd.DataFrame]]:
    """Each run that has a trajectory, with it; read some runs at a time, to be quick and small."""
    for first in range(0, len(runs), TOGETHER):
        part = runs.iloc[first : first + TOGETHER]
        names = ", ".join(f"'{run_id}'" for run_id in part["run_id"])
        steps = results.sql(
            "SELECT run_id, step, images, flops, percent_error, learning_rate FROM trajectories "
            f"WHERE run_id IN ({names}) ORDER BY run_id, step"
        )
        by_run = dict(iter(steps.groupby("run_id")))
        yield from ((run, by_run[run.run_id]) for run in part.itertuples() if run.run_id in by_run)


def _cumulative(steps: pd.DataFrame, run: Any, axis: str) -> Array:
    """Steps, or seconds at the run's mean speed, or a column of the trajectory, up to and with each step."""
    done: Array = (steps["step"] + 1).to_numpy(float)
    seconds: Array = done * float(run.wall_seconds) / float(run.steps)
    column: Array = steps[axis].to_numpy(float) if axis in steps else done
    return seconds if axis == "seconds" else column


def fit_cell(cell: Cell, P: int, D: int, floor: str, holdout: float = 0.0, bootstrap: int = 400) -> PowerLawFit | None:
    """The law of one cell; None where fewer than three points were measured. `floor` `theory` is the
    Marchenko-Pastur level e_inf(P / D): a reference, not a bound, so a cell below it has no such fit."""
    level = float(expected_percent_error(P, D)) if floor == "theory" else floor
    kept = len(cell.x) - round(holdout * len(cell.x))
    if kept < 3 or (floor == "theory" and cell.error.min() <= float(level)):
        return None
    known = cell.covariance if np.all(np.diag(cell.covariance) > 0) else None
    return fit_power_law(
        cell.x, cell.error, floor=level, covariance=known, runs=cell.seeds, holdout=holdout, bootstrap=bootstrap
    )


def fit_table(
    cells: dict[Key, Cell],
    axis: str,
    law: str = "trajectory",
    track: Callable[[Sequence[tuple[Key, Cell]], str], Iterable[tuple[Key, Cell]]] = lambda items, _: items,
) -> tuple[pd.DataFrame, Fits]:
    """One row for each cell and floor (none, free, theory), and the fits themselves by (*cell, floor). `track` may
    show progress.

    Columns: variant, P, D, K, law, axis, floor, seeds, E, A, alpha and A, E, alpha's 95 % intervals (_low,
    _high), scale, aicc, extrapolation_error (of a fit without the quarter of largest compute), points, decades,
    trusted, reason.
    """
    rows, fits = [], {}
    for key, cell in track(list(cells.items()), "fitting"):
        for floor in FLOORS:
            row = {**dict(zip(CELL, key, strict=True)), "law": law, "axis": axis, "floor": floor}
            row |= {"seeds": len(set(cell.seeds)), "points": len(cell.x)}
            fit = fit_cell(cell, key[1], key[2], floor)
            if fit is None:
                low = floor == "theory" and len(cell.x) >= 3
                reason = "errors fall below e_inf" if low else f"only {len(cell.x)} points; at least 3 are needed"
                rows.append({**row, "trusted": False, "reason": reason})
                continue
            fits[(*key, floor)] = fit
            early = fit_cell(cell, key[1], key[2], floor, HOLDOUT, bootstrap=0)
            note = "the learning rate decays, which bends the trajectory" if cell.decays else fit.reason
            row |= {name: getattr(fit, name) for name in NUMBERS}
            for name in ("E", "A", "alpha"):
                row[f"{name}_low"], row[f"{name}_high"] = fit.interval(name)
            row["extrapolation_error"] = early.extrapolation_error if early else float("nan")
            rows.append(row | {"trusted": fit.trusted and not cell.decays, "reason": note})
    columns = [*CELL, "law", "axis", "floor", "seeds", "E", "E_low", "E_high", "A", "A_low", "A_high"]
    columns += ["alpha", "alpha_low", "alpha_high", "scale", "aicc", "extrapolation_error"]
    columns += ["points", "decades", "trusted", "reason"]
    return pd.DataFrame(rows).reindex(columns=columns), fits


def tail_errors(results: Results) -> pd.Series:
    """Standard error of each finished run's percent_error (mean over the last 5 % of its steps), by run_id."""
    trajectories = results.sql(
        "SELECT t.run_id, t.step, t.percent_error FROM trajectories t JOIN runs r USING (run_id) "
        "WHERE r.status = 'finished' AND t.step >= r.steps - greatest(1, round(0.05 * r.steps)) "
        "ORDER BY t.run_id, t.step"
    )
    grouped = trajectories.groupby("run_id")["percent_error"]
    return grouped.agg(lambda values: batch_means_error(np.asarray(values, float)))
