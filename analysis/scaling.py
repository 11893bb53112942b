"""The power law of the percent error against compute, along the trajectory of each cell of a sweep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.linalg import block_diag

from analysis.binning import Array, Bins, batch_means_error, decays, log_bins, settled
from analysis.power_law import PowerLawFit, fit_power_law
from analysis.tables import Results
from mmcr_core.theory import expected_percent_error

CELL = ["variant", "P", "D", "K"]
FLOORS = ("none", "free", "theory")
AXES = {"flops": "compute (FLOPs)", "images": "images shown", "steps": "optimiser steps"}


Key = tuple[str, int, int, int]  # variant, P, D, K


@dataclass(frozen=True)
class Cell:
    """Binned trajectories of one cell, one seed after another: percent error at compute x, its standard error,
    the covariance of its logarithm, and whether the learning rate decays."""

    x: Array
    error: Array
    error_se: Array
    covariance: Array
    decays: bool


def binned_cells(results: Results, axis: str = "flops") -> dict[Key, Cell]:
    """The finished runs of each cell, binned. `axis`: flops, images or steps, each cumulative."""
    runs = results.runs()
    runs = runs[runs["status"] == "finished"]
    cells: dict[Key, list[tuple[Bins, bool]]] = {}
    for run in runs.itertuples():
        trajectory = results.trajectories(f"run_id = '{run.run_id}'")
        if trajectory.empty:
            continue
        steps = settled(trajectory)
        x = (steps["step"] + 1 if axis == "steps" else steps[axis]).to_numpy(float)
        bins = log_bins(x, steps["percent_error"].to_numpy(float))
        cells.setdefault((run.variant, run.P, run.D, run.K), []).append((bins, decays(trajectory)))
    return {
        key: Cell(
            x=np.concatenate([bins.x for bins, _ in runs]),
            error=np.concatenate([bins.y for bins, _ in runs]),
            error_se=np.concatenate([bins.error for bins, _ in runs]),
            covariance=block_diag(*(bins.covariance for bins, _ in runs)),
            decays=any(decaying for _, decaying in runs),
        )
        for key, runs in cells.items()
    }


def fit_cell(cell: Cell, P: int, D: int, floor: str) -> PowerLawFit | None:
    """The law of one cell; None where fewer than three points were measured. `floor` `theory` is the
    Marchenko-Pastur level e_inf(P / D): a reference, not a bound, so a cell below it has no such fit."""
    level = float(expected_percent_error(P, D)) if floor == "theory" else floor
    if len(cell.x) < 3 or (floor == "theory" and cell.error.min() <= float(level)):
        return None
    known = cell.covariance if np.all(np.diag(cell.covariance) > 0) else None
    return fit_power_law(cell.x, cell.error, floor=level, covariance=known)


def fit_table(
    cells: dict[Key, Cell], axis: str
) -> tuple[pd.DataFrame, dict[tuple[str, int, int, int, str], PowerLawFit]]:
    """One row for each cell and floor (none, free, theory), and the fits themselves by (*cell, floor).

    Columns: variant, P, D, K, axis, floor, E, A, alpha, alpha_low, alpha_high, scale, aicc, points, decades,
    trusted, reason.
    """
    rows, fits = [], {}
    for key, cell in cells.items():
        for floor in FLOORS:
            row = {**dict(zip(CELL, key, strict=True)), "axis": axis, "floor": floor}
            fit = fit_cell(cell, key[1], key[2], floor)
            if fit is None:
                low = floor == "theory" and len(cell.x) >= 3
                reason = "errors fall below e_inf" if low else "fewer than 3 points"
                rows.append({**row, "points": len(cell.x), "trusted": False, "reason": reason})
                continue
            fits[(*key, floor)] = fit
            low_alpha, high_alpha = fit.interval("alpha")
            note = "the learning rate decays, which bends the trajectory" if cell.decays else fit.reason
            rows.append(
                row
                | {name: getattr(fit, name) for name in ("E", "A", "alpha", "scale", "aicc", "points", "decades")}
                | {"alpha_low": low_alpha, "alpha_high": high_alpha}
                | {"trusted": fit.trusted and not cell.decays, "reason": note}
            )
    columns = [*CELL, "axis", "floor", "E", "A", "alpha", "alpha_low", "alpha_high"]
    columns += ["scale", "aicc", "points", "decades", "trusted", "reason"]
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
