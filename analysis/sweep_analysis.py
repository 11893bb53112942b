"""What a sweep's figures, report, claims and recommendations are made of, each computed once.

analysis = SweepAnalysis(open_results("results/quickstart"))
analysis.fits, analysis.peaks, analysis.joint_laws               # tables of per-cell fits and peaks; joint laws by variant
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache, cached_property
from typing import Any

import pandas as pd

from analysis.laws import multimodal, objective_differences
from analysis.laws.cell_law import PURE, Fits, chosen_form, fit_table, laws_by_seed
from analysis.laws.factor_changes import factor_changes
from analysis.laws.forecast import Forecaster, forecaster
from analysis.laws.grid_law import GridLaw, grid_laws, grid_points, law_table
from analysis.laws.measured_cells import Cell, Key, measured_cells, tail_errors
from analysis.laws.peak import finished_runs, peak_table
from analysis.reading.errors import ResultsError
from analysis.reading.results import Results

Track = Callable[[Sequence[Any], str], Iterable[Any]]


def _untracked(items: Sequence[Any], _: str) -> Iterable[Any]:
    return items


class SweepAnalysis:
    """Cells, fits, peaks and joint laws of one sweep's results, each computed when it is first asked for.

    Args: results: of one sweep, as `open_results` gives it; track: may show the progress of fits.
    """

    def __init__(self, results: Results, track: Track = _untracked) -> None:
        self.results, self._track = results.alone(), track
        self.cells_of = cache(self._cells_of)

    @cached_property
    def runs(self) -> pd.DataFrame:
        """Every run that has ended, as `Results.runs`."""
        return self.results.runs()

    @cached_property
    def finished(self) -> pd.DataFrame:
        """The runs that finished. Raises ResultsError where there are none."""
        return finished_runs(self.results)

    @cached_property
    def tail_errors(self) -> pd.Series:
        """Standard error of each finished run's percent error, by run_id."""
        return tail_errors(self.results)

    @property
    def cells(self) -> dict[Key, Cell]:
        """Percent error against FLOPs along the trajectories of each cell; empty where no run finished."""
        return self.cells_of("trajectory", "flops")

    def _cells_of(self, law: str, axis: str) -> dict[Key, Cell]:
        return measured_cells(self.results, law, axis)

    @property
    def fits(self) -> pd.DataFrame:
        """The per-cell scaling laws in FLOPs, as `fit_table` gives them."""
        return self._fitted[0]

    @property
    def cell_fits(self) -> Fits:
        """The same as objects, by variant, P, D, K, floor and offset."""
        return self._fitted[1]

    @cached_property
    def _fitted(self) -> tuple[pd.DataFrame, Fits]:
        return fit_table(self.cells, "flops", track=self._track)

    @cached_property
    def fits_by_seed(self) -> pd.DataFrame:
        """The laws of each run by itself (see `laws_by_seed`), of each objective in three forms: the pure one, the one
        above the uniform baseline and the selected one."""
        parts = []
        for _, runs in self.finished.groupby("objective", sort=False):
            names = set(runs["variant"])
            form = chosen_form(self.fits[self.fits["variant"].isin(names)])
            cells = {key: cell for key, cell in self.cells.items() if key[0] in names}
            parts.append(laws_by_seed(cells, (PURE, ("theory", form[1]), form)))
        return pd.concat(parts, ignore_index=True)

    @cached_property
    def peaks(self) -> pd.DataFrame:
        """The peaks of the percent error, as `peak_table` gives them. Raises ResultsError where no run finished."""
        return peak_table(self.finished, self.tail_errors)

    @cached_property
    def points(self) -> pd.DataFrame:
        """What joint laws are fitted to: `grid_points` of all cells. Raises ResultsError where there are none."""
        cells = self.cells_of("trajectory", "steps")
        if not cells:
            raise ResultsError(f"{self.results.root} holds no finished run with a trajectory")
        return grid_points(cells)

    @property
    def joint_laws(self) -> dict[str, list[GridLaw]]:
        """The joint scaling laws of each variant, the selected one first; empty where there are none."""
        return self._joint[0]

    @property
    def no_joint_law(self) -> str:
        """Why there is no joint law; empty where there is one."""
        return self._joint[1]

    def require_joint_laws(self) -> dict[str, list[GridLaw]]:
        """`joint_laws`. Raises ResultsError where there are none."""
        if self.no_joint_law:
            raise ResultsError(self.no_joint_law)
        return self.joint_laws

    @cached_property
    def _joint(self) -> tuple[dict[str, list[GridLaw]], str]:
        try:
            return grid_laws(self.points), ""
        except ResultsError as error:
            return {}, str(error)

    @cached_property
    def joint_law(self) -> pd.DataFrame:
        """The joint laws as a table, see `law_table`."""
        return law_table(self.joint_laws)

    @cached_property
    def forecasters(self) -> dict[str, Forecaster]:
        """A forecaster for each variant that has a joint law. Raises ResultsError where there is none."""
        laws = self.require_joint_laws()
        try:
            return {
                name: forecaster(self.points[self.points["variant"] == name], kinds[0]) for name, kinds in laws.items()
            }
        except ValueError as error:
            raise ResultsError(f"{self.results.root} allows no forecast: {error}") from error

    @cached_property
    def factor_changes(self) -> pd.DataFrame:
        """What training changes in each finished run, see `factor_changes`."""
        return factor_changes(self.results)

    @cached_property
    def objective_differences(self) -> pd.DataFrame:
        """How objectives differ over pairs of runs, see `objective_differences.differences`."""
        return objective_differences.differences(self.results)

    @cached_property
    def multimodal(self) -> pd.DataFrame:
        """What was measured of images and text at the end of runs, see `multimodal.measurements`."""
        return multimodal.measurements(self.results)
