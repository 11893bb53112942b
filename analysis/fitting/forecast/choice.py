"""What to train next: by how much it is expected to lower the uncertainty of what the sweep is for, per FLOP."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from analysis.fitting.forecast.points import Array, Points
from analysis.fitting.forecast.process import Process

NOISE = 0.005  # of a measured point, beside the process's: what its window would tell


def expected_falls(process: Process, targets: Points, weights: Array, candidates: Points,
                   running: Points | None = None) -> Array:  # fmt: skip
    """By how much the weighted sum of the variances of `targets` falls once each of the candidates has been measured,
    (m,), after what is `running` has been. Variances alone count, not what was observed."""
    parts = [targets, candidates] if running is None else [targets, candidates, running]
    joint = process.joint(Points.concatenate(parts))
    noise = process.mode.noise**2 + NOISE**2
    n, m = len(targets), len(candidates)
    if running is not None:
        block = joint[n + m :, n + m :] + noise * np.eye(len(running))
        cross = linalg.solve_triangular(linalg.cholesky(block, lower=True), joint[n + m :, : n + m], lower=True)
        joint = joint[: n + m, : n + m] - cross.T @ cross
    shared = joint[:n, n : n + m]
    falls: Array = (weights[:, None] * shared**2).sum(axis=0) / (np.diag(joint)[n : n + m] + noise)
    return falls
