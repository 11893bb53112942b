"""Which cells or seeds to run next, in the grid or beyond it, and what each would tell."""

from __future__ import annotations

from collections.abc import Set
from itertools import product

import numpy as np
import pandas as pd

from analysis.estimates.prediction import Predictor
from analysis.estimates.run_points import whole_steps
from analysis.fitting.forecast.blas_threads import on_one_thread
from analysis.fitting.forecast.choice import ExpectedFalls
from analysis.fitting.forecast.points import WINDOW, Points, places

IN_GRID, NEW_SEED, BEYOND = "in the grid", "another seed", "beyond the grid"
SETTING = ["P", "D", "K"]


@on_one_thread
def next_runs(planned: pd.DataFrame, predictor: Predictor, count: int, diverged: Set[str]) -> pd.DataFrame:
    """The `count` runs, none of the `diverged` run_ids, that tell the most per FLOP about the final values of all
    settings, those beyond the grid included, each given those before it: variant, P, D, K, `what` (in the grid, another
    seed, beyond the grid), steps; of a run that was begun its `run_id` (else empty) and `from_step`, from which it goes
    on (else 0); `flops` of what is left to train; `predicted` with low_95 and high_95 (of one run), and by how much
    the r.m.s. standard deviation of all settings falls: `uncertainty` before it, and `uncertainty_after`.

    Beyond the grid is the next power of two of P and of D on either side, with the images of the grid's longest run,
    or as many steps where its budget is one of steps.
    """
    mine = planned[planned["variant"].isin(predictor.variants)]
    table = _candidates(mine, diverged)
    numbers = {run_id: number for number, run_id in enumerate(predictor.runs)}
    at = _places(table, predictor, [numbers.get(run_id, -1) for run_id in table["run_id"]], 1.0)
    targets = _places(table.drop_duplicates(["variant", *SETTING]), predictor, -1, np.inf)
    expected = ExpectedFalls(predictor.process, targets, at)
    chosen: list[int] = []
    falls_of_chosen: list[float] = []
    for _ in range(min(count, len(table))):
        falls = expected(np.ones(len(targets)), at[chosen])
        falls[chosen] = 0.0
        best = int(np.argmax(falls / table["flops"].to_numpy(float)))
        chosen.append(best)
        falls_of_chosen.append(float(falls[best]))
    before = float(np.trace(predictor.process.joint(targets)))
    left = before - np.concatenate([[0.0], np.cumsum(falls_of_chosen)])
    uncertainty = predictor.calibration.factor * np.sqrt(np.maximum(left, 0) / len(targets))
    rows = table.iloc[chosen].reset_index(drop=True)
    predicted = predictor.predict(rows, rows["steps"].to_numpy(float))[["predicted", "low_95", "high_95"]]
    return rows.join(predicted).assign(uncertainty=uncertainty[:-1], uncertainty_after=uncertainty[1:])


def _candidates(planned: pd.DataFrame, diverged: Set[str]) -> pd.DataFrame:
    """Runs that could be trained: those of the grid that are not finished (of each setting all that were begun and one
    that was not), one more seed of each setting that has one, and settings just beyond the grid."""
    per_view = (planned["flops_per_step"] / planned["P"] / planned["K"]).median()
    settings = planned.groupby(["variant", *SETTING], as_index=False).agg(
        steps=("steps", "max"), done=("finished", "max")
    )
    left = ~planned["finished"].astype(bool) & ~planned["run_id"].isin(diverged)
    unfinished = planned[left].assign(what=IN_GRID)
    unfinished["run_id"] = unfinished["run_id"].where(unfinished["from_step"] > 0, "")
    parts = [
        unfinished[["variant", *SETTING, "steps", "what", "run_id", "from_step"]],
        settings.loc[settings["done"].astype(bool), ["variant", *SETTING, "steps"]].assign(what=NEW_SEED),
    ]
    for variant, part in settings.groupby("variant"):
        sizes = {name: sorted(part[name].unique()) for name in SETTING}
        wider = {name: [sizes[name][0] // 2, *sizes[name], 2 * sizes[name][-1]] for name in "PD"}
        known = set(part[SETTING].itertuples(index=False, name=None))
        new = [key for key in product(wider["P"], wider["D"], sizes["K"]) if key not in known and min(key[:2]) > 1]
        frame = pd.DataFrame(new, columns=SETTING).assign(variant=variant, what=BEYOND)
        parts.append(frame.assign(steps=whole_steps(planned, frame).astype(int)))
    table = pd.concat(parts, ignore_index=True).fillna({"run_id": "", "from_step": 0}).astype({"from_step": int})
    table = table.drop_duplicates(["variant", *SETTING, "what", "run_id"], ignore_index=True)
    return table.assign(flops=per_view * table["P"] * table["K"] * (table["steps"] - table["from_step"]).clip(lower=1))


def _places(table: pd.DataFrame, predictor: Predictor, run: list[int] | int, replicates: float) -> Points:
    numbers = {name: number for number, name in enumerate(predictor.variants)}
    return places(
        table["P"], table["D"], table["K"], table["steps"] * (1 - WINDOW / 2), predictor.level(table),
        [numbers[name] for name in table["variant"]], run, replicates,
    )  # fmt: skip
