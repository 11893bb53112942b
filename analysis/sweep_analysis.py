"""What a sweep's figures, report, claims and recommendations are made of, each computed once.

analysis = SweepAnalysis(open_results("results/quickstart"))
analysis.fits, analysis.peaks, analysis.joint_law                # tables: per-cell scaling laws, peaks, joint laws

What takes long is kept in the sweep's folder and read by later processes, as long as the store has the same content
(see `KeptAnalysis`): the tables `fits`, `peaks` and `joint_law`, and beside them what figures need of the fits
themselves, such as their bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache, cached_property
from typing import Any

import pandas as pd

from analysis.comparisons import multimodal, objective_differences
from analysis.estimates.adaptive_replay import FinishedSweep
from analysis.estimates.error_component_changes import factor_changes
from analysis.estimates.fit_data import CELL, Cell, Key, measured_cells, tail_errors
from analysis.estimates.joint_scaling_law import JointForm, JointLaw, grid_points, joint_laws, law_table
from analysis.estimates.peak import finished_runs, peak_table
from analysis.estimates.per_cell_fit import PURE, Fits, Form, chosen_form, fit_cell, fit_table, laws_by_seed
from analysis.estimates.prediction import Backtest, Predictor, asked_cells, backtest, fit_predictors, why_unpredicted
from analysis.estimates.run_points import Measured, measure_rows, measure_values, percent_errors, planned_runs
from analysis.estimates.stopped_sweep import StoppedSweep, require_comparable, stopped_sweep
from analysis.estimates.uniform_baseline import Level
from analysis.fitting.diagnostics import FailedCheck
from analysis.fitting.forecast.calibration import Calibration
from analysis.fitting.forecast.covariance import Scales
from analysis.fitting.forecast.points import Points
from analysis.fitting.forecast.process import Process
from analysis.fitting.forecast.scales import Scale
from analysis.fitting.forecast.trends import Quadratic, ScalingLaw
from analysis.fitting.multivariate_fit import JointFit
from analysis.fitting.power_law import PowerLawFit
from analysis.results.errors import ResultsError
from analysis.results.kept_analysis import KeptAnalysis
from analysis.results.results import Results
from mmcr_core.theory import PERCENT_ERROR
from sweeps.storage.decisions import every_decision
from sweeps.storage.run_status import RunStatus

CLASSES = (  # that kept files hold
    *(PowerLawFit, JointFit, JointForm, JointLaw, Level, Cell, FailedCheck),
    *(Predictor, Process, Calibration, Scales, Points, ScalingLaw, Quadratic, Scale),
)
JointLaws = dict[str, list[JointLaw]]
Track = Callable[[Sequence[Any], str], Iterable[Any]]


def _untracked(items: Sequence[Any], _: str) -> Iterable[Any]:
    return items


class SweepAnalysis:
    """Cells, fits, peaks and joint laws of one sweep's results, each computed when it is first asked for.

    Args: results: of one sweep, as `open_results` gives it; track: may show the progress of fits.
    """

    def __init__(self, results: Results, track: Track = _untracked) -> None:
        self.results, self._track = results.require_single_sweep().snapshot(), track
        self.kept = KeptAnalysis(self.results, CLASSES)
        self.cells_of = cache(self._cells_of)
        self.fits_of = cache(self._fits_of)
        self.cell_fits_of = cache(self._cell_fits_of)
        self.predictors_of = cache(self._predictors_of)
        self.unpredicted = cache(self._unpredicted)
        self._usable = cache(self._measured_of_usable)
        self._every_form: dict[tuple[str, str], Fits] = {}

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
        """Cells measured as one of LAWS over one of AXES, see `measured_cells`."""
        return measured_cells(self.results, law, axis)

    @property
    def fits(self) -> pd.DataFrame:
        """The per-cell scaling laws in FLOPs, as `fit_table` gives them."""
        return self.fits_of("trajectory", "flops")

    def _fits_of(self, law: str, axis: str) -> pd.DataFrame:
        def compute() -> pd.DataFrame:
            table, self._every_form[law, axis] = fit_table(self.cells_of(law, axis), axis, law, self._track)
            return table

        return self.kept.table("fits", compute, law=law, axis=axis)

    def cell_fits(self, form: Form | None = None) -> Fits:
        """The same as objects, by variant, P, D, K, irreducible error and offset: those of the pure form and of the one
        that is selected for each variant, or of `form`."""
        return self.cell_fits_of("trajectory", "flops", form)

    def _cell_fits_of(self, law: str, axis: str, form: Form | None = None) -> Fits:
        table = self.fits_of(law, axis)
        forms = {variant: (PURE, form or chosen_form(rows)) for variant, rows in table.groupby("variant")}

        def compute() -> Fits:
            if known := self._every_form.get((law, axis)):
                return {key: fit for key, fit in known.items() if key[-2:] in forms[key[0]]}
            fitted = ((key, each) for key in self.cells_of(law, axis) for each in dict.fromkeys(forms[key[0]]))
            fits = {
                (*key, *each): fit_cell(self.cells_of(law, axis)[key], key[1], key[2], *each) for key, each in fitted
            }
            return {key: fit for key, fit in fits.items() if fit is not None}

        return compute() if form else self.kept.value("cell_fits", compute, law=law, axis=axis)

    @cached_property
    def fits_by_seed(self) -> pd.DataFrame:
        """The laws of each run by itself (see `laws_by_seed`), of each objective in three forms: the pure one, the one
        above the uniform baseline and the selected one."""

        def compute() -> pd.DataFrame:
            parts = []
            for _, runs in self.finished.groupby("objective", sort=False):
                names = set(runs["variant"])
                form = chosen_form(self.fits[self.fits["variant"].isin(names)])
                cells = {key: cell for key, cell in self.cells.items() if key[0] in names}
                parts.append(laws_by_seed(cells, (PURE, ("theory", form[1]), form)))
            return pd.concat(parts, ignore_index=True)

        return self.kept.table("fits_by_seed", compute)

    @cached_property
    def peaks(self) -> pd.DataFrame:
        """The peaks of the percent error, as `peak_table` gives them. Raises ResultsError where no run finished."""
        return self.kept.table("peaks", lambda: peak_table(self.finished, self.tail_errors))

    @cached_property
    def points(self) -> pd.DataFrame:
        """What joint laws are fitted to: `grid_points` of all cells. Raises ResultsError where there are none."""
        cells = self.cells_of("trajectory", "steps")
        if not cells:
            raise ResultsError(f"{self.results.root} holds no finished run with a trajectory")
        return grid_points(cells)

    @property
    def joint_laws(self) -> JointLaws:
        """The joint scaling laws of each variant, the selected one first; empty where there are none."""
        return self._joint[0]

    @property
    def no_joint_law(self) -> str:
        """Why there is no joint law; empty where there is one."""
        return self._joint[1]

    def require_joint_laws(self) -> JointLaws:
        """`joint_laws`. Raises ResultsError where there are none."""
        if self.no_joint_law:
            raise ResultsError(self.no_joint_law)
        return self.joint_laws

    @cached_property
    def _joint(self) -> tuple[JointLaws, str]:
        def compute() -> tuple[JointLaws, str]:
            try:
                return joint_laws(self.points), ""
            except ResultsError as error:
                return {}, str(error)

        return self.kept.value("joint_laws", compute)

    @cached_property
    def joint_law(self) -> pd.DataFrame:
        """The joint laws as a table, see `law_table`."""
        return self.kept.table("joint_law", lambda: law_table(self.joint_laws))

    @cached_property
    def planned(self) -> pd.DataFrame:
        """Every run of the sweep, finished or not, as `planned_runs`."""
        return planned_runs(self.results)

    def measured_along(self, measure: str) -> dict[str, Measured]:
        """Percent errors, or a measure, on the way of each run that was trained, by run_id."""
        if measure == PERCENT_ERROR:
            return percent_errors(self.results, self.planned)
        return measure_values(self.results, self.planned, measure)

    @cached_property
    def diverged(self) -> frozenset[str]:
        """The run_ids of the runs that diverged."""
        return frozenset(self.runs.loc[self.runs["status"] == RunStatus.DIVERGED, "run_id"])

    def _measured_of_usable(self, measure: str) -> dict[str, Measured]:
        """`measured_along` of the runs that did not diverge."""
        return {run: each for run, each in self.measured_along(measure).items() if run not in self.diverged}

    def _unpredicted(self, measure: str) -> dict[str, str]:
        """Why nothing is predicted of the variants that have no predictor, a sentence by variant."""
        variants = self.predictors_of(measure)
        if self.planned["variant"].isin(list(variants)).all():
            return {}
        return why_unpredicted(self.planned, variants, self._usable(measure), self.diverged, measure)

    def _predictors_of(self, measure: str) -> dict[str, Predictor]:
        """A predictor for each variant that was trained, of the percent error or a measure, from all runs that did not
        diverge. Raises ResultsError where there is none."""

        def compute() -> dict[str, Predictor]:
            return fit_predictors(self.planned, self._usable(measure), measure)

        if not self.planned["finished"].all():  # what is kept belongs to runs that have ended
            return compute()
        return self.kept.value("forecasts", compute, measure=measure)

    def predict(
        self, cells: pd.DataFrame | None = None, at: Any = None, measure: str = PERCENT_ERROR, flops: Any = None
    ) -> pd.DataFrame:
        """What cells have at the end of training, or after `at` steps: predicted from all runs of the sweep.

        Args: cells: rows with P, D, K (and variant where there are several; with run_id, of that very run); by default
            every cell of a variant that was trained, whether itself trained, begun or not begun, unless it diverged;
            at: steps, one for all or one for each cell, by default the whole run; measure: percent_error, or a measure
            in [0, 1] such as knn_accuracy; flops: in the place of `at`, the compute of a run in FLOPs, one for all or
            one for each cell.
        Returns: the cells with `steps`, `predicted` and the ends of 50, 80 and 95% intervals (low_95, ...) of the
            expectation over seeds, and by default `measured`, the mean of the runs that finished (else NaN).
        Raises: ResultsError where too few runs were trained to say, for a variant of which none was (see `unpredicted`)
            or that there is not, for cells, runs or steps that there are not, for a measure that is not in [0, 1], and
            for both of `at` and `flops`.
        """
        if at is not None and flops is not None:
            raise ResultsError("give steps or flops, one of the two")
        predictors = self.predictors_of(measure)
        index = None if cells is None else cells.index
        if cells is None:
            known = self._settings(measure)
            cells = known[known["variant"].isin(list(predictors))]
        table = asked_cells(cells, self.planned, predictors, self.unpredicted(measure), at, flops)
        parts = []
        for variant, part in table.groupby("variant", sort=False):
            steps = part["steps"].to_numpy(float)
            parts.append(part.join(predictors[str(variant)].predict(part, steps)))
        found = pd.concat(parts).sort_index()
        return found if index is None else found.set_axis(index)

    def left_out(self, measure: str = PERCENT_ERROR) -> pd.DataFrame:
        """Each setting's last measured value beside what the runs of all others say of it, see `Predictor.left_out`;
        `finished`: whether one of its runs has, else the value is of the last step that was trained."""
        predictors = {each.variants: each for each in self.predictors_of(measure).values()}
        table = pd.concat([each.left_out() for each in predictors.values()], ignore_index=True)
        finished = self.planned.groupby(CELL)["finished"].any()
        return table.assign(finished=finished.loc[pd.MultiIndex.from_frame(table[CELL])].to_numpy(bool))

    def at_stop(self) -> StoppedSweep:
        """What an adaptive launch (`--until`) predicted when it stopped, beside what was measured since. Raises
        ResultsError where there was none, or where what it began has not finished or is not in the grid."""
        planned, root = self.planned, self.results.root
        ended = (each for each in every_decision(root) if each.ended_at is not None)
        decisions = [each for each in ended if each.run_id not in self.diverged]
        require_comparable(decisions, planned, root)
        quantity, runs = decisions[-1].quantity, self.finished
        sweep = FinishedSweep.of(planned, self.measured_along(quantity), quantity)
        finished_at = dict(zip(runs["run_id"], runs["finished_at"], strict=True))
        return stopped_sweep(sweep, [each for each in decisions if each.quantity == quantity], finished_at)

    def _settings(self, measure: str) -> pd.DataFrame:
        """Every cell that did not diverge with the steps of its whole run, and what was measured of the runs that
        finished."""
        planned, runs = self.planned[~self.planned["run_id"].isin(self.diverged)], self.runs
        known = runs[runs["status"] == RunStatus.FINISHED].set_index("run_id")
        if measure == PERCENT_ERROR:
            final = known[measure]
        else:
            rows = measure_rows(self.results, measure)
            final = rows[rows["step"] == rows["run_id"].map(known["steps"])].groupby("run_id")["value"].mean()
        settings = planned.assign(measured=planned["run_id"].map(final)).groupby(CELL, as_index=False)
        return settings.agg(steps=("steps", "max"), measured=("measured", "mean"))

    @cached_property
    def backtests(self) -> dict[str, Backtest]:
        """How well the ends of each variant's runs are predicted from their first quarter, see `backtest`."""
        predictors = self.predictors_of(PERCENT_ERROR)

        def compute() -> dict[str, Backtest]:
            found = {each.variants: backtest(each) for each in predictors.values()}
            return {variant: found[each.variants] for variant, each in predictors.items()}

        return self.kept.value("backtests", compute)

    @cached_property
    def decaying(self) -> frozenset[str]:
        """The variants whose learning rate decays along a run."""
        return frozenset(key[0] for key, cell in self.cells_of("trajectory", "steps").items() if cell.decays)

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
