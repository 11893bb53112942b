"""The power law of the percent error against compute, along the trajectory of each cell of a sweep."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.binning import Array, decays, log_bins, settled
from analysis.power_law import PowerLawFit, fit_power_law
from analysis.tables import Results
from mmcr_core.theory import expected_percent_error

CELL = ["variant", "P", "D", "K"]
FLOORS = ("none", "free", "theory")
AXES = {"flops": "compute (FLOPs)", "images": "images shown", "steps": "optimiser steps"}


def binned_cells(results: Results, axis: str = "flops") -> dict[tuple[str, int, int, int], pd.DataFrame]:
    """Binned trajectories of the finished runs of each (variant, P, D, K): frames with x, error, error_se,
    run_id, decays. `axis`: flops, images or steps, each cumulative. Seeds stand under one another."""
    runs = results.runs()
    runs = runs[runs["status"] == "finished"]
    cells: dict[tuple[str, int, int, int], list[pd.DataFrame]] = {}
    for run in runs.itertuples():
        trajectory = results.trajectories(f"run_id = '{run.run_id}'")
        if trajectory.empty:
            continue
        steps = settled(trajectory)
        x = (steps["step"] + 1 if axis == "steps" else steps[axis]).to_numpy(float)
        centre, mean, error = log_bins(x, steps["percent_error"].to_numpy(float))
        frame = pd.DataFrame({"x": centre, "error": mean, "error_se": error})
        frame["run_id"], frame["decays"] = run.run_id, decays(trajectory)
        cells.setdefault((run.variant, run.P, run.D, run.K), []).append(frame)
    return {key: pd.concat(frames, ignore_index=True) for key, frames in cells.items()}


def fit_cell(points: pd.DataFrame, P: int, D: int, floor: str) -> PowerLawFit | None:
    """The law of one cell; None where fewer than three points were measured. `floor` `theory` is the
    Marchenko-Pastur level e_inf(P / D): a reference, not a bound, so a cell below it has no such fit."""
    level = float(expected_percent_error(P, D)) if floor == "theory" else floor
    if len(points) < 3 or (floor == "theory" and points["error"].min() <= float(level)):
        return None
    return fit_power_law(points["x"], points["error"], floor=level)


def fit_table(
    cells: dict[tuple[str, int, int, int], pd.DataFrame], axis: str
) -> tuple[pd.DataFrame, dict[tuple[str, int, int, int, str], PowerLawFit]]:
    """One row for each cell and floor (none, free, theory), and the fits themselves by (*cell, floor).

    Columns: variant, P, D, K, axis, floor, E, A, alpha, alpha_low, alpha_high, scale, aicc, points, decades,
    trusted, reason.
    """
    rows, fits = [], {}
    for cell, points in cells.items():
        for floor in FLOORS:
            row = {**dict(zip(CELL, cell, strict=True)), "axis": axis, "floor": floor}
            fit = fit_cell(points, cell[1], cell[2], floor)
            if fit is None:
                low = floor == "theory" and len(points) >= 3
                reason = "errors fall below e_inf" if low else "fewer than 3 points"
                rows.append({**row, "points": len(points), "trusted": False, "reason": reason})
                continue
            fits[(*cell, floor)] = fit
            low_alpha, high_alpha = fit.interval("alpha")
            decaying = bool(points["decays"].any())
            note = "the learning rate decays, which bends the trajectory" if decaying else fit.reason
            rows.append(
                row
                | {name: getattr(fit, name) for name in ("E", "A", "alpha", "scale", "aicc", "points", "decades")}
                | {"alpha_low": low_alpha, "alpha_high": high_alpha}
                | {"trusted": fit.trusted and not decaying, "reason": note}
            )
    columns = [*CELL, "axis", "floor", "E", "A", "alpha", "alpha_low", "alpha_high"]
    columns += ["scale", "aicc", "points", "decades", "trusted", "reason"]
    return pd.DataFrame(rows).reindex(columns=columns), fits


def tail_errors(results: Results) -> pd.Series:
    """Standard error of each finished run's percent_error (mean over the last 5 % of its steps), by run_id."""
    from analysis.binning import batch_means_error

    trajectories = results.sql(
        "SELECT t.run_id, t.step, t.percent_error FROM trajectories t JOIN runs r USING (run_id) "
        "WHERE r.status = 'finished' AND t.step >= r.steps - greatest(1, round(0.05 * r.steps)) "
        "ORDER BY t.run_id, t.step"
    )
    grouped = trajectories.groupby("run_id")["percent_error"]
    return grouped.agg(lambda values: batch_means_error(np.asarray(values, float)))


__all__ = ["AXES", "CELL", "FLOORS", "Array", "binned_cells", "fit_cell", "fit_table", "tail_errors"]
