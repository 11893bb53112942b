"""Cells of a grid whose law is known."""

import numpy as np

from analysis.estimates.fit_data import Cell
from analysis.estimates.joint_scaling_law import grid_points
from mmcr_core.theory import expected_percent_error

COUNT = 15
STEPS = np.geomspace(20, 20_000, COUNT)
SIZES = (32, 64, 128, 256)


def law(P, D, K, steps):
    return expected_percent_error(P, D) + 1.5 * steps**-0.25 * P**-0.1 * D**0.05 * K**-0.2


def points(curve=law, noise=0.01, seeds=1, deviation=0.0):
    """Cells measured along `curve`; `deviation`: how far cells lie from it, in logs."""
    rng, cells = np.random.default_rng(0), {}
    for P in SIZES:
        for D in SIZES:
            for K in (2, 4):
                own = deviation * rng.standard_normal()
                curves = [
                    curve(P, D, K, STEPS) * np.exp(own + noise * rng.standard_normal(COUNT)) for _ in range(seeds)
                ]
                error = np.concatenate(curves)
                labels = np.repeat(range(seeds), COUNT).tolist()
                covariance = noise**2 * np.eye(len(error))
                cells["mmcr", P, D, K] = Cell(np.tile(STEPS, seeds), error, noise * error, covariance, labels, False)
    return grid_points(cells)
