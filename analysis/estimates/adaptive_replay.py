"""What an adaptive sweep would have done on a finished one, where the outcome of each rung is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from analysis.estimates.run_points import Measured, as_points
from analysis.fitting.forecast.blas_threads import on_one_thread
from analysis.fitting.forecast.points import Index, Points
from analysis.fitting.forecast.scales import Scale
from analysis.fitting.forecast.sequential_design import FEWEST, Decision, Ended, Knowledge, SequentialDesign, rungs_of
from analysis.fitting.forecast.stopping import Target
from analysis.results.errors import ResultsError
from mmcr_core.theory import PERCENT_ERROR

ADAPTIVE = "adaptive"
FEWEST_SETTINGS = 4
MISSED = 2 / 0.05  # weight of what lies outside a 95% interval in its score (Gneiting and Raftery 2007, equation 43)


@dataclass(frozen=True)
class FinishedSweep:
    """The finished runs of a sweep (rows of `planned_runs`), what each measured of a quantity on its way, and the scale
    on which that is predicted."""

    runs: pd.DataFrame
    points: Points
    scale: Scale
    quantity: str

    @property
    def relative(self) -> bool:
        """Whether errors are fractions of what was measured."""
        return self.quantity == PERCENT_ERROR

    @classmethod
    def of(cls, runs: pd.DataFrame, measured: Mapping[str, Measured], quantity: str = PERCENT_ERROR) -> FinishedSweep:
        """Raises ResultsError where there are too few settings, or no run has more than one rung."""
        settings = runs[["variant", "P", "D", "K"]].drop_duplicates()
        runs = runs[runs["finished"] & runs["run_id"].isin(list(measured))].reset_index(drop=True)
        if (count := len(runs[["variant", "P", "D", "K"]].drop_duplicates())) < FEWEST_SETTINGS:
            raise ResultsError(
                f"a replay needs {FEWEST_SETTINGS} finished settings of P, D, K at least; "
                f"{count} of {len(settings)} are"
            )
        scale = max(Scale.of(quantity, objective) for objective in runs["objective"])  # of logits, where both are
        return cls(runs, as_points(runs, measured, scale), scale, quantity)

    def design(self, target: Target) -> SequentialDesign:
        """Of these runs, none of which is trained yet."""
        last = np.array([np.flatnonzero(self.points.run == run)[-1] for run in range(len(self.runs))])
        ends, steps = self.points[last], self.runs["steps"].to_numpy(float)
        shares = self.points.steps / steps[self.points.run] / (ends.steps / steps)[self.points.run]
        known = [set(np.round(shares[self.points.run == run], 2)) for run in range(len(self.runs))]
        rungs = [
            tuple(rung for rung in rungs_of(int(total), 0, False) if round(rung, 2) in known[run] or rung == 1)
            for run, total in enumerate(steps)
        ]

        def up_to(run: int, rung: float) -> Points:
            return self.points[(self.points.run == run) & (shares <= rung * 1.02)]

        flops = (self.runs["flops_per_step"] * self.runs["steps"]).to_numpy(float)
        unit = partial(self.scale.unit, relative=self.relative)
        return SequentialDesign(ends, flops, rungs, target, up_to, self.scale.trend, unit)

    def whole_alone(self) -> int:
        """How many runs measured the quantity at their end alone: they are trained whole or not at all."""
        return int((np.bincount(self.points.run) == 1).sum())

    def settings(self, design: SequentialDesign, known: Knowledge) -> pd.DataFrame:
        """Each setting of a design as it is known: variant, P, D, K, `open` (to be predicted), and on the scale `mean`,
        `half_width` of the 95% interval of the mean over its seeds, and that mean as it was measured, `truth`."""
        seeds = np.bincount(design.settings)
        sd = np.sqrt(known.variance + known.process.mode.run**2 / seeds)
        first = np.unique(design.settings, return_index=True)[1]
        return self.runs.loc[first, ["variant", "P", "D", "K"]].assign(
            open=known.open,
            mean=known.mean,
            half_width=known.calibration.half_width(sd),
            truth=np.bincount(design.settings, design.ends.value) / seeds,
        )


@on_one_thread
def replay(sweep: FinishedSweep, target: Target, policy: str, start: int) -> pd.DataFrame:
    """One policy from one start (its first rungs, or its order, are drawn with this seed) to its stop.

    Args: policy: adaptive; random or cheapest (whole runs in random order, or by their cost); v-optimal (the same
        choice as if the law alone were the truth). The predictions are the same for all, and the others
            stop even where settings were never looked at, which an adaptive sweep doesn't.
    Returns: a row for each rung, the last where it stopped: `share` of the grid's compute, `rungs`, `trained` and
        `predicted` settings, the r.m.s. `rms_error` of the latter's final values (relative, or of the measure itself)
        and the `largest_error`, `coverage` by the 95% intervals of the mean over seeds, and their mean
        `interval_score` (lower is better).
    """
    design, rng = sweep.design(target), np.random.default_rng(start)
    order = _order(design, policy, rng)
    ended: tuple[Ended, ...] = ()
    spent, rows = 0.0, []
    while not design.enough(ended, settled=policy == ADAPTIVE):
        decision = _decision(design, ended, policy, order, rng)
        outcome = design.points(decision.run, decision.rung).value[-1]
        spent += design.flops[decision.run] * (decision.rung - design.reached(ended)[decision.run])
        residual = (outcome - decision.mean) / decision.sd if len(ended) >= FEWEST else np.nan
        ended = (*ended, Ended(decision.run, decision.rung, float(residual)))
        share = spent / design.flops.sum()
        rows.append(
            {"share": share, "rungs": len(ended)} | _judged(sweep, design, design.knowledge(design.considered(ended)))
        )
    return pd.DataFrame(rows)


def _order(design: SequentialDesign, policy: str, rng: np.random.Generator) -> Index:
    """Of the runs: at random, or the cheapest first."""
    if policy == "cheapest":
        return np.argsort(design.flops * (1 + 1e-9 * rng.random(len(design.flops))), kind="stable")
    return rng.permutation(len(design.flops))


def _decision(
    design: SequentialDesign, ended: tuple[Ended, ...], policy: str, order: Index, rng: np.random.Generator
) -> Decision:
    reached = design.reached(ended)
    if policy in ("random", "cheapest"):
        return design.expected(ended, int(next(run for run in order if reached[run] < 1)), 1.0)
    if len(ended) < FEWEST:
        first = design.flops * np.array([rungs[0] for rungs in design.rungs])
        fresh = np.flatnonzero(reached == 0)
        cheap = fresh[first[fresh] <= np.median(first)]
        run = int(rng.choice(cheap if len(cheap) else fresh))
        return design.expected(ended, run, design.rungs[run][0])
    decision = design.choose(ended, by_trend=policy == "v-optimal")
    assert decision is not None  # else there would be enough
    return decision


def _judged(sweep: FinishedSweep, design: SequentialDesign, known: Knowledge) -> dict[str, float]:
    """Predictions of open settings beside what was measured."""
    settings = sweep.settings(design, known)
    open_ones = settings[settings["open"]]
    missed, half = np.abs(open_ones["mean"] - open_ones["truth"]), open_ones["half_width"]
    error = sweep.scale.inverse(open_ones["mean"].to_numpy()) - sweep.scale.inverse(open_ones["truth"].to_numpy())
    if sweep.relative:
        error = error / sweep.scale.inverse(open_ones["truth"].to_numpy())
    score = 2 * half + MISSED * np.maximum(missed - half, 0)
    some = len(open_ones) > 0
    return {
        "trained": len(settings) - len(open_ones),
        "predicted": len(open_ones),
        "rms_error": float(np.sqrt((error**2).mean())) if some else 0.0,
        "largest_error": float(np.abs(error).max()) if some else 0.0,
        "coverage": float((missed <= half).mean()) if some else float("nan"),
        "interval_score": float(score.mean()) if some else 0.0,
    }


def summary(ways: Mapping[str, Sequence[pd.DataFrame]]) -> pd.DataFrame:
    """One row per policy: starts, the median `share` of the compute at its stop with its quartiles (share_low,
    share_high), and medians of `rungs`, `trained`, `predicted`, `rms_error`, `largest_error`, `interval_score`; the
    mean `coverage`."""
    rows = []
    for policy, each in ways.items():
        ends = pd.DataFrame([way.iloc[-1] for way in each])
        middle = ends.median()
        low, high = ends["share"].quantile([0.25, 0.75])
        head = {"policy": policy, "starts": len(each), "share": middle["share"], "share_low": low, "share_high": high}
        names = ("rungs", "trained", "predicted", "rms_error", "largest_error", "interval_score")
        rows.append(head | {name: middle[name] for name in names} | {"coverage": ends["coverage"].mean()})
    return pd.DataFrame(rows)
