"""What to train next: by how much it is expected to lower the uncertainty of what the sweep is for, per FLOP."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from analysis.fitting.forecast.points import Array, Points
from analysis.fitting.forecast.process import Process

NOISE = 0.005  # of a measured point, beside the process's: what its window would tell


class ExpectedFalls:
    """Of the variances of `targets`, once one of the `candidates` has been measured, by what a process knows; asked
    for again and again as more is running."""

    def __init__(self, process: Process, targets: Points, candidates: Points) -> None:
        self._process, self._noise = process, process.mode.noise**2 + NOISE**2
        self._seen = process.seen(targets), process.seen(candidates)
        self._shared, self._spread = process.shared(*self._seen), process.spread(self._seen[1])

    def __call__(self, weights: Array, running: Points | None = None) -> Array:
        """By how much the weighted sum of the variances falls for each candidate, (m,), after what is `running` has
        been measured. Variances alone count, not what was observed."""
        shared, spread = self._shared, self._spread
        if running is not None and len(running):
            there = self._process.seen(running)
            known = self._process.shared(there, there) + self._noise * np.eye(len(running))
            factor = linalg.cholesky(known, lower=True)
            of_targets, of_candidates = (
                linalg.solve_triangular(factor, self._process.shared(there, at), lower=True) for at in self._seen
            )
            shared = shared - of_targets.T @ of_candidates
            spread = spread - (of_candidates**2).sum(axis=0)
        falls: Array = (weights @ shared**2) / (spread + self._noise)
        return falls
