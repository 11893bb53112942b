"""All fits of a 75-cell sweep (six forms, 400 bootstrap replicates) beside scipy, one optimizer call a replicate; and
how long its report takes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from scipy.optimize import least_squares

from analysis.estimates.fit_data import Cell, measured_cells
from analysis.estimates.joint_scaling_law import grid_points, joint_laws
from analysis.estimates.per_cell_fit import FORMS, fit_table
from analysis.fitting.huber_regression import HUBER
from analysis.pages import report_page
from analysis.results.results import open_results
from analysis.sweep_analysis import SweepAnalysis
from mmcr_core.theory import expected_percent_error
from tests.benchmarks.measure import report
from tests.synthetic import PAPER, write_sweep

T = TypeVar("T")
BOOTSTRAP = 400
CELLS = 2  # of the usual way, which is timed on these and multiplied


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        results = open_results(write_sweep(Path(folder) / "s", PAPER, (2, 4, 8)).root)
        read, cells = timed(lambda: measured_cells(results))
        ours, _ = timed(lambda: fit_table(cells, "flops"))
        grid, _ = timed(lambda: joint_laws(grid_points(measured_cells(results, axis="steps"))))
        page, _ = timed(lambda: report_page.render(SweepAnalysis(results)))
    some = list(cells.items())[:CELLS]
    usual, _ = timed(lambda: [dataloader_baseline(cell, *form, P, D) for (_, P, D, _), cell in some for form in FORMS])
    usual *= len(cells) / len(some)
    row = {
        "cells": len(cells),
        "fits": len(cells) * len(FORMS),
        "replicates": BOOTSTRAP,
        "reading and binning s": read,
        "fits s": ours,
        "scipy s": usual,
        "ratio": usual / ours,
        "laws of the grid s": grid,
        "report s": page,
    }
    report("fits", "All fits of 75 cells; scipy.optimize.least_squares, Huber, one call a replicate", [row])


def timed(call: Callable[[], T]) -> tuple[float, T]:
    """Seconds that a call takes, and what it gives."""
    began = time.perf_counter()
    found = call()
    return time.perf_counter() - began, found


def dataloader_baseline(cell: Cell, irreducible: str, offset: str, P: int, D: int) -> None:
    """One start for each replicate; residuals resampled."""
    first, log_y = cell.x.min(), np.log(cell.error)
    fixed = {"none": 0.0, "theory": float(expected_percent_error(P, D)), "free": None}[irreducible]

    def residuals(theta: np.ndarray, target: np.ndarray) -> np.ndarray:
        E = np.exp(theta[2]) if fixed is None else fixed
        x0 = first * np.expm1(theta[-1]) if offset == "free" else 0.0
        u = np.log((cell.x + x0) / cell.x.mean())
        return (np.log(E + np.exp(theta[0] - theta[1] * u)) - target) / 0.01

    start = [log_y.mean(), 0.1, *([log_y.min() - 1] if fixed is None else []), *([0.1] if offset == "free" else [])]
    best = least_squares(residuals, start, args=(log_y,), loss="huber", f_scale=HUBER)
    rest, rng = best.fun * 0.01, np.random.default_rng(0)
    for _ in range(BOOTSTRAP):
        target = log_y + rng.choice(rest, len(rest))
        least_squares(residuals, best.x, args=(target,), loss="huber", f_scale=HUBER)
