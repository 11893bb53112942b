"""What an adaptive sweep predicted when it stopped, beside what was measured of it since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.estimates.adaptive_replay import FinishedSweep
from analysis.fitting.forecast.blas_threads import on_one_thread
from analysis.fitting.forecast.sequential_design import Ended
from analysis.fitting.forecast.stopping import Target
from analysis.results.errors import ResultsError
from mmcr_core.theory import PERCENT_ERROR
from sweeps.cli.formatting import counted
from sweeps.storage.decisions import WHOLE, StoredDecision


@dataclass(frozen=True)
class StoppedSweep:
    """After `share` of the grid's FLOPs. `settings`: variant, P, D, K, steps, `predicted`, `low_95`, `high_95` and
    `final`, the measured mean over seeds; `measured` is the same of the settings that were trained to their end before
    the stop, NaN of those that were predicted. `expected_rms`: what the predictions said of their own relative error
    (of a measure, in its units)."""

    quantity: str
    share: float
    rungs: int
    settings: pd.DataFrame
    expected_rms: float

    @property
    def predicted(self) -> pd.DataFrame:
        """The settings that were not trained to their end."""
        return self.settings[self.settings["measured"].isna()]

    @property
    def is_relative(self) -> bool:
        """Whether errors are fractions of what was measured, not of a measure in its own units."""
        return self.quantity == PERCENT_ERROR

    @property
    def errors(self) -> pd.Series:
        """By how much each of `predicted` was off."""
        missed = self.predicted["predicted"] - self.predicted["final"]
        return missed / self.predicted["final"] if self.is_relative else missed


def require_comparable(decisions: Iterable[StoredDecision], planned: pd.DataFrame, root: Path) -> None:
    """Raises ResultsError where no rung of the sweep in `root` has ended (`decisions` are of those that have), or where
    a run that was decided on is no row of `planned_runs`, or has not finished."""
    began = {each.run_id for each in decisions}
    if not began:
        raise ResultsError("no adaptive launch (--until) trained this sweep, so it has no stop")
    if gone := began - set(planned["run_id"]):
        raise ResultsError(
            f"{root}: {len(gone)} of {counted(len(began), 'run')} that --until began are not in the grid of the last "
            "launch and have not finished; launch the grid that --until had, without --until, then look again"
        )
    finished = planned["finished"].astype(bool)
    if began & set(planned.loc[~finished, "run_id"]):
        raise ResultsError(
            f"{root}: {finished.sum()} of {counted(len(planned), 'cell')} have finished; launch without --until, then "
            "look again"
        )


@on_one_thread
def stopped_sweep(
    sweep: FinishedSweep, decisions: Iterable[StoredDecision], finished_at: Mapping[str, datetime]
) -> StoppedSweep:
    """The sweep as its last decision left it, predicted anew from no more than was trained then.

    Args: sweep: all of it, finished; decisions: of one quantity, see `require_comparable`; finished_at: of each run,
        by run_id.
    """
    numbers = {run_id: number for number, run_id in enumerate(sweep.runs["run_id"])}
    rungs = [(each.ended_at, each) for each in decisions if each.ended_at is not None]
    design = sweep.design(Target(1.0))
    history = [(at, numbers[each.run_id], each.rung, _residual(each, sweep)) for at, each in rungs]
    stop = max(at for at, *_ in history)
    decided = {number for _, number, rung, _ in history if rung == WHOLE}
    history += [
        (finished_at[run_id], number, WHOLE, np.nan)
        for run_id, number in numbers.items()
        if number not in decided and finished_at[run_id] <= stop
    ]
    ordered = sorted(history, key=lambda one: one[:3])
    ended = tuple(Ended(number, rung, residual) for _, number, rung, residual in ordered)
    known, reached = design.knowledge(ended), design.reached(ended)
    settings = sweep.settings(design, known)
    mean, half, number = settings["mean"], settings["half_width"], sweep.scale.inverse
    values = {"predicted": mean, "low_95": mean - half, "high_95": mean + half, "final": settings["truth"]}
    table = settings[["variant", "P", "D", "K"]].assign(**{name: number(value) for name, value in values.items()})
    table["measured"] = table["final"].where(~settings["open"])
    table.insert(4, "steps", sweep.runs.loc[settings.index, "steps"])
    sd = known.sd[known.open]
    return StoppedSweep(
        sweep.quantity,
        float(reached @ design.flops / design.flops.sum()),
        len(rungs),
        table.reset_index(drop=True),
        float(np.sqrt((sd**2).mean())) if len(sd) else 0.0,
    )


def _residual(decision: StoredDecision, sweep: FinishedSweep) -> float:
    if not decision.measured or decision.scale != sweep.scale:
        return np.nan
    return sweep.scale.residual(decision.measured, decision.mean, decision.sd)
