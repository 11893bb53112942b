"""What `analysis.open_results` gives in a notebook: a sweep's tables, and predictions from all its runs."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.results.errors import ResultsError
from analysis.results.results import Results
from analysis.results.sweep_folder import sweep_folders
from analysis.sweep_analysis import SweepAnalysis
from mmcr_core.theory import PERCENT_ERROR


class OpenedResults(Results):
    """The tables of one sweep's folder, or of several, and what one sweep predicts."""

    @cached_property
    def analysis(self) -> SweepAnalysis:
        """Fits, peaks, laws and predictions of the one sweep, as it stands when they are first asked for."""
        return SweepAnalysis(self)

    def predict(
        self,
        P: ArrayLike,
        D: ArrayLike,
        K: ArrayLike,
        flops: ArrayLike | None = None,
        steps: ArrayLike | None = None,
        variant: str | None = None,
        measure: str = PERCENT_ERROR,
    ) -> pd.DataFrame:
        """What cells end at, trained or not, in the grid or beyond it: `SweepAnalysis.predict` by their numbers.

        Args: P, D, K: of each cell, numbers or arrays that broadcast; flops: compute of a run in FLOPs; steps: in its
            place, optimizer steps (neither: the whole run of the grid); variant: as of `runs`, where there are several;
            measure: percent_error, or a measure in [0, 1] such as knn_accuracy.
        Returns: a row per cell: variant, P, D, K, steps, `predicted`, and the ends of its 50, 80 and 95% intervals
            (low_95, high_95, ...), of the expectation over seeds.
        Raises: ResultsError as `SweepAnalysis.predict`, for arrays that do not broadcast, without a variant where there
            are several, and where several sweeps are open.
        """
        given = {"P": P, "D": D, "K": K, "flops": flops, "steps": steps}
        asked = {key: np.asarray(value) for key, value in given.items() if value is not None}
        try:
            table = np.broadcast_arrays(*asked.values())
        except ValueError as error:
            shapes = ", ".join(f"{key} {value.shape}" for key, value in asked.items())
            raise ResultsError(
                f"the arrays do not broadcast: {shapes}; give numbers, or arrays of one shape"
            ) from error
        cells = pd.DataFrame(dict(zip(asked, map(np.ravel, table), strict=True)))
        names = tuple(self.analysis.predictors_of(measure))
        if variant is None and len(names) > 1:
            raise ResultsError(f"the sweep has several variants; add variant= with one of: {'; '.join(names)}")
        compute, at = (cells.pop(name) if name in cells else None for name in ("flops", "steps"))
        if variant is not None:
            cells = cells.assign(variant=variant)
        return self.analysis.predict(cells, at=at, measure=measure, flops=compute)


def open_results(place: str | Path, *others: str | Path) -> OpenedResults:
    """The tables of a sweep's folder or URL, such as `results/quickstart` or `s3://bucket/results/NAME`, or of
    several together.

    Raises: ResultsError where a folder is absent, holds no run that has ended, or is given twice.
    """
    return OpenedResults(sweep_folders([place, *others])).check()
