"""The error, or a measure, of any cell of a sweep, trained, begun or not begun: predicted from all its runs together.

Of MMCR, the joint scaling law above the uniform baseline plus a Gaussian process of what it leaves; of what has no law
(other objectives, accuracies), a process of the logit. See `analysis.fitting.forecast`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimates.run_points import Measured, as_points, baseline, flops_per_step, whole_steps
from analysis.estimates.uniform_baseline import Level
from analysis.fitting.forecast.blas_threads import on_one_thread
from analysis.fitting.forecast.calibration import LEVELS, Calibration, calibrate
from analysis.fitting.forecast.points import WINDOW, Array, Points, places
from analysis.fitting.forecast.process import Process, fit_process
from analysis.fitting.forecast.scales import Scale
from analysis.results.display_names import variant_name
from analysis.results.errors import ResultsError
from mmcr_core.theory import PERCENT_ERROR

CELL = ["variant", "P", "D", "K"]
LEAST = {"P": 2, "D": 1, "K": 1}
FEWEST = 3  # runs that a prediction is made from, and settings of which each can be left out
EARLY = 0.25  # of each run's steps, from which its end is predicted as a test
Backtest = tuple[float, float, int]  # r.m.s. relative error, share inside the 95% intervals, runs


@dataclass(frozen=True)
class Predictor:
    """Of the variants that are predicted together: `variants` in the order of their numbers, with their `levels`;
    `runs`: run_ids in the order of theirs; `points`: what was measured."""

    process: Process
    calibration: Calibration
    scale: Scale
    variants: tuple[str, ...]
    levels: tuple[Level, ...]
    runs: tuple[str, ...]
    points: Points

    def level(self, cells: pd.DataFrame) -> Array:
        """e_inf of each cell."""
        levels = dict(zip(self.variants, self.levels, strict=True))
        rows = zip(cells["variant"], cells["P"], cells["D"], strict=True)
        return np.array([baseline(levels[variant], P, D) for variant, P, D in rows])

    @on_one_thread
    def predict(self, cells: pd.DataFrame, steps: Array, single: bool = False) -> pd.DataFrame:
        """What each cell (rows with variant, P, D, K; with run_id, that very run) has after so many steps (n,), in a
        window of the last 5% of them: `predicted`, and the ends of its 50, 80 and 95% intervals, `low_95`, ...: of
        the expectation over seeds, or, with `single` or of a run_id, of one run.

        Beyond what was trained, the law goes on and the interval widens.
        """
        numbers = {name: number for number, name in enumerate(self.variants)}
        runs = {run: number for number, run in enumerate(self.runs)}
        run = [runs.get(each, -1) for each in cells["run_id"]] if "run_id" in cells else [-1] * len(cells)
        one = single or "run_id" in cells
        at = places(
            cells["P"], cells["D"], cells["K"], np.asarray(steps, float) * (1 - WINDOW / 2), self.level(cells),
            [numbers[name] for name in cells["variant"]], run, 1.0 if one else np.inf,
        )  # fmt: skip
        mean, variance = self.process.predict(at)
        if one:
            variance = variance + self.process.mode.noise**2
        table = {"predicted": mean}
        for level in LEVELS:
            half = self.calibration.half_width(np.sqrt(variance), level)
            table |= {f"low_{round(100 * level)}": mean - half, f"high_{round(100 * level)}": mean + half}
        found = {name: self.scale.inverse(values) for name, values in table.items()}
        return pd.DataFrame(found, index=cells.index).clip(upper=1.0)

    @property
    def has_replicates(self) -> bool:
        """Whether any setting has two runs, so that the noise between seeds is seen."""
        runs = np.unique(np.stack([self.points.setting, self.points.run]), axis=1)[0]
        return len(runs) > len(np.unique(runs))

    def left_out(self) -> pd.DataFrame:
        """Each setting's last measured value beside what all other settings say of it: variant, P, D, K, `measured`
        (mean over runs), `predicted`, low_95, high_95."""
        found = self.process.each_left_out
        half = self.calibration.half_width(found.sd)
        values = (found.measured, found.predicted, found.predicted - half, found.predicted + half)
        names = ("measured", "predicted", "low_95", "high_95")
        numbers = {name: self.scale.inverse(each) for name, each in zip(names, values, strict=True)}
        place = {name: getattr(found.at, name).astype(int) for name in "PDK"}
        return pd.DataFrame({"variant": [self.variants[each] for each in found.at.variant]} | place | numbers)

    def measured(self, variant: str, P: int, D: int, K: int) -> tuple[Array, Array]:
        """Steps and values of what was measured along the runs of a cell."""
        points = self.points
        own = points.variant == self.variants.index(variant)
        mine = points[own & (points.P == P) & (points.D == D) & (points.K == K)]
        return mine.steps / (1 - WINDOW / 2), self.scale.inverse(mine.value)


@on_one_thread
def fit_predictors(runs: pd.DataFrame, measured: dict[str, Measured],
                   quantity: str = PERCENT_ERROR) -> dict[str, Predictor]:  # fmt: skip
    """A predictor of a quantity, what was `measured`, for each variant among `planned_runs` that has any of it: one for
    all that share a scale. Raises ResultsError where there are too few runs for any."""
    scales = [Scale.of(quantity, objective) for objective in runs["objective"]]
    found: dict[str, Predictor] = {}
    for scale, part in runs.groupby(scales):
        trained = part[part["run_id"].isin(list(measured))]
        if len(trained) >= FEWEST:
            known = part[part["variant"].isin(trained["variant"])]
            predictor = _predictor(known.reset_index(drop=True), measured, Scale(scale))
            found |= dict.fromkeys(predictor.variants, predictor)
    if not found:
        raise ResultsError(f"a prediction needs at least {FEWEST} runs of an objective that were trained for a while")
    return found


def _predictor(runs: pd.DataFrame, measured: dict[str, Measured], scale: Scale) -> Predictor:
    points = as_points(runs, measured, scale)
    process = fit_process(points, scale.trend(points))
    levels = runs.groupby("variant")["level"].first()
    return Predictor(
        process, calibrate(process), scale, tuple(levels.index), tuple(levels), tuple(runs["run_id"]), points
    )


def why_unpredicted(planned: pd.DataFrame, variants: Container[str], measured: Container[str],
                    diverged: Container[str], quantity: str) -> dict[str, str]:  # fmt: skip
    """A sentence for each variant of `planned_runs` that is not among the predicted `variants`; `measured`, `diverged`:
    run_ids."""
    found = {}
    for variant, runs in planned.groupby("variant"):
        name, run_ids = variant_name(str(variant)), list(runs["run_id"])
        if variant in variants:
            continue
        if any(each in measured for each in run_ids):
            found[str(variant)] = f"too few runs of {name} were trained to predict any of it"
        elif all(each in diverged for each in run_ids):
            found[str(variant)] = f"every run of {name} diverged, so nothing is predicted of it"
        elif quantity == PERCENT_ERROR:
            found[str(variant)] = f"no run of {name} has been trained long enough to predict any of it"
        else:
            found[str(variant)] = f"no run of {name} has been measured for {quantity}, so nothing is predicted of it"
    return found


def asked_cells(cells: pd.DataFrame, planned: pd.DataFrame, variants: Iterable[str], unpredicted: Mapping[str, str],
                at: Any = None, flops: Any = None) -> pd.DataFrame:  # fmt: skip
    """Cells that somebody asks for, in rows of their order, with a column variant, and with `steps`: those of `at` or
    of so many `flops` (one for all or one for each cell), else of its own column, else of the whole run.

    Args: planned: as `planned_runs`; variants: that can be predicted, of which the cells are if there is one;
        unpredicted: why the others can't be.
    Raises: ResultsError for another variant, what is no cell, a run_id of another cell or of none, and fewer than one
        step.
    """
    predicted = [name for name in cells.columns if re.fullmatch(r"predicted|(low|high)_\d+", str(name))]
    table = cells.drop(columns=predicted).reset_index(drop=True)
    if table.empty:
        raise ResultsError("there are no cells to predict; give rows with P, D and K")
    if absent := [name for name in LEAST if name not in table]:
        raise ResultsError(f"the cells have no column {', '.join(absent)}; give P, D and K")
    names = list(variants)
    if "variant" not in table:
        if len(names) > 1:
            raise ResultsError(f"the cells need a column variant, one of: {'; '.join(names)}")
        table["variant"] = names[0]
    if not (known := table["variant"].isin(names)).all():
        other = str(table["variant"][~known].iloc[0])
        if other in unpredicted:
            raise ResultsError(f"{unpredicted[other]}; predicted: {'; '.join(names)}")
        raise ResultsError(f"there is no variant '{other}'; variants: {'; '.join(sorted([*names, *unpredicted]))}")
    for name, least in LEAST.items():
        table[name] = _whole_numbers(table[name], name, least)
    if "run_id" in table:
        runs = planned.set_index("run_id")[CELL].reindex(table["run_id"])
        for run_id, own, asked in zip(table["run_id"], runs.to_numpy(), table[CELL].to_numpy(), strict=True):
            if (own != asked).any():
                its = "no run of the sweep" if pd.isna(own[0]) else f"of {_shown(own)}, not of {_shown(asked)}"
                raise ResultsError(f"run_id: {run_id} is {its}")
    if flops is not None:
        table["steps"] = _one_each(flops, "flops", len(table)) / flops_per_step(planned, table)
    elif at is not None:
        table["steps"] = _one_each(at, "steps", len(table))
    elif "steps" in table:
        table["steps"] = _one_each(table["steps"], "steps", len(table))
    else:
        table["steps"] = whole_steps(planned, table)
    if not ((table["steps"] >= 1) & np.isfinite(table["steps"])).all():
        raise ResultsError("a prediction is of 1 step or more; give more steps or more flops")
    return table


def _whole_numbers(column: pd.Series, name: str, least: int) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    other = column.map(lambda each: isinstance(each, str | bool | np.bool_))
    wrong = ~((numbers >= least) & (numbers % 1 == 0)) | other
    if wrong.any():
        raise ResultsError(f"{name}: '{column[wrong].iloc[0]}' is not a whole number of {least} or more")
    return numbers.astype(int)


def _one_each(values: Any, name: str, count: int) -> Array:
    try:
        found: Array = np.broadcast_to(np.asarray(values, float), count)
    except (TypeError, ValueError) as error:
        raise ResultsError(f"{name}: give one number, or one for each of the {count} cells") from error
    return found


def _shown(cell: Iterable[Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in zip(CELL, cell, strict=True))


@on_one_thread
def backtest(predictor: Predictor) -> Backtest:
    """How well the ends of all runs are predicted from their first quarter: r.m.s. relative error, share inside the
    95% intervals, number of runs; NaN and 0 where the first quarters are too short."""
    points = predictor.points
    last = np.zeros(int(points.run.max()) + 1)
    np.maximum.at(last, points.run, points.steps)
    early = points[points.steps <= EARLY * last[points.run] * (1 + 1e-9)]
    ends = points[points.steps == last[points.run]]
    ends = ends[np.isin(ends.run, early.run)]
    if len(np.unique(early.run)) < FEWEST:
        return float("nan"), float("nan"), 0
    process = fit_process(early, predictor.scale.trend(early))
    mean, variance = process.predict(replace(ends, replicates=np.ones(len(ends))))
    half = calibrate(process).half_width(np.sqrt(variance + ends.variance))
    missed = predictor.scale.inverse(mean) / predictor.scale.inverse(ends.value) - 1
    inside = np.abs(mean - ends.value) <= half
    return float(np.sqrt((missed**2).mean())), float(inside.mean()), len(ends)
