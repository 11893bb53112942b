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
    noise = process.mode.noise**2 + NOISE**2
    shared, spread = process.shared(targets, candidates), process.spread(candidates)
    if running is not None:
        factor = linalg.cholesky(process.joint(running) + noise * np.eye(len(running)), lower=True)
        of_targets, of_candidates = (
            linalg.solve_triangular(factor, process.shared(running, at), lower=True) for at in (targets, candidates)
        )
        shared = shared - of_targets.T @ of_candidates
        spread = spread - (of_candidates**2).sum(axis=0)
    falls: Array = (weights[:, None] * shared**2).sum(axis=0) / (spread + noise)
    return falls
