"""All fits of a 75-cell sweep (three floors, 400 bootstrap replicates) beside scipy, one optimiser call a replicate."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from analysis.laws.cell_law import FLOORS, fit_table
from analysis.laws.huber import HUBER
from analysis.laws.measured_cells import Cell, measured_cells
from analysis.reading.results import open_results
from mmcr_core.theory import expected_percent_error
from tests.benchmarks.measure import report
from tests.synthetic import PAPER, write_sweep

BOOTSTRAP = 400
CELLS = 2  # of the usual way, which is timed on these and multiplied


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = write_sweep(Path(folder) / "s", PAPER, (2, 4, 8))
        began = time.perf_counter()
        cells = measured_cells(open_results(store.root))
        read = time.perf_counter() - began
        began = time.perf_counter()
        fit_table(cells, "flops")
        ours = time.perf_counter() - began
    some = list(cells.items())[:CELLS]
    began = time.perf_counter()
    for (_, P, D, _), cell in some:
        for floor in FLOORS:
            usual_way(cell, floor, float(expected_percent_error(P, D)))
    usual = (time.perf_counter() - began) * len(cells) / len(some)
    row = {
        "cells": len(cells),
        "fits": len(cells) * len(FLOORS),
        "replicates": BOOTSTRAP,
        "reading and binning s": read,
        "fits s": ours,
        "scipy s": usual,
        "ratio": usual / ours,
    }
    report("fits", "All fits of 75 cells; scipy.optimize.least_squares, Huber, one call a replicate", [row])


def usual_way(cell: Cell, floor: str, level: float) -> None:
    """One start for each replicate; residuals resampled."""
    u, log_y = np.log(cell.x / cell.x.mean()), np.log(cell.error)
    fixed = {"none": 0.0, "theory": level, "free": None}[floor]

    def residuals(theta: np.ndarray, target: np.ndarray) -> np.ndarray:
        E = np.exp(theta[2]) if fixed is None else fixed
        return (np.log(E + np.exp(theta[0] - theta[1] * u)) - target) / 0.01

    start = [log_y.mean(), 0.1, log_y.min() - 1][: 3 if fixed is None else 2]
    best = least_squares(residuals, start, args=(log_y,), loss="huber", f_scale=HUBER)
    rest, rng = best.fun * 0.01, np.random.default_rng(0)
    for _ in range(BOOTSTRAP):
        target = log_y + rng.choice(rest, len(rest))
        least_squares(residuals, best.x, args=(target,), loss="huber", f_scale=HUBER)
