"""Of runs that differ in one swept setting, those with the lowest final error: one learning rate for all batch
sizes confounds P with the size of a step.

The winner's own error is biased low, as that of the best of several. Where each value has the same three seeds or more,
the error that is reported is held out: that of each seed at the value that the other seeds choose.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.results.errors import ResultsError
from analysis.results.variant_labels import AXES, changes_runs, flatten, variants
from sweeps.storage.run_status import RunStatus

CELL = ["variant", "P", "D", "K"]
FEWEST = 3  # seeds of which some choose and others report
VALUE, ERROR = "_value", "percent_error"


@dataclass(frozen=True)
class Best:
    """`runs`: those of the best value of `key` in each cell, `variant` without it. `winners`: a row per cell of which a
    run finished: variant, P, D, K, the value in a column called `key`, its final `error` with its `standard_error` over
    `seeds` (NaN of one), whether that is `held_out` (else it is biased low), `shown_error`, which figures show (the
    mean of the winner's own runs), how many values were `tried`, and the `edge` of them at which the best is: smallest,
    largest or neither."""

    key: str
    runs: pd.DataFrame
    winners: pd.DataFrame

    @property
    def remarks(self) -> list[str]:
        """What was taken, what its errors are worth, and where larger or smaller values should be tried."""
        table, key = self.winners, self.key
        if table.empty:
            return [f"no run has finished, so that no {key} is the best"]
        counts = table[key].map(_text).value_counts()
        values = dict.fromkeys(map(_text, sorted(table[key], key=_order)))
        taken = ", ".join(f"{value} in {counts[value]}" for value in values)
        said = [f"of each cell the {key} with the lowest final error is used: {taken} of {len(table)} cells"]
        biased = int((~table["held_out"]).sum())
        if biased:
            said.append(
                f"in {biased} of {len(table)} cells the winner was chosen by the error that is shown, which is biased "
                f"low; with {FEWEST} seeds or more of each value some choose and the others report"
            )
        if biased < len(table):
            low = table.loc[table["held_out"], "error"] / table.loc[table["held_out"], "shown_error"] - 1
            said.append(
                f"figures show the winners' own runs; held-out errors are {low.mean():+.1%} from those on average"
            )
        for edge, more in (("smallest", "smaller"), ("largest", "larger")):
            if (at := table[table["edge"] == edge]).shape[0]:
                first = at.iloc[0]
                said.append(
                    f"warning: in {len(at)} of {len(table)} cells the best {key} is the {edge} that was tried, such as "
                    f"{_text(first[key])} at P = {first.P}, D = {first.D}, K = {first.K}; try {more} ones"
                )
        return said


def best_over(runs: pd.DataFrame, key: str) -> Best:
    """The best value of `key` in each cell, by the mean final percent error over seeds. Cells of which no run finished
    keep all their runs.

    Raises: ResultsError where `key` does not vary, or is an axis of the figures.
    """
    specs = [json.loads(spec) for spec in runs["spec"]]
    flat = [flatten(spec) for spec in specs]
    names = filter(changes_runs, {name for one in flat for name in one} - {*AXES})
    swept = sorted(name for name in names if len({json.dumps(one.get(name)) for one in flat}) > 1)
    if not changes_runs(key):
        raise ResultsError(f"'{key}' is no part of a run, so no run is better by it; name a swept setting of the runs")
    if key in AXES:
        raise ResultsError(f"'{key}' is an axis of the figures, or tells replicates apart; name another swept setting")
    if key not in swept:
        use = f"use {' or '.join(swept)}" if swept else "nothing beside P, D, K and seed does"
        raise ResultsError(f"'{key}' does not vary over these runs; {use}")
    texts = [json.dumps(one.get(key)) for one in flat]
    table = runs.assign(**{"variant": variants(specs, beside=(key,)), VALUE: texts})
    winners = []
    for cell, part in table.groupby(CELL, sort=True):
        finished = part[part["status"] == RunStatus.FINISHED]
        if len(finished):
            winners.append(dict(zip(CELL, cell, strict=True)) | _winner(finished, part[VALUE].unique().tolist(), key))
    columns = [*CELL, key, "error", "standard_error", "seeds", "held_out", "shown_error", "tried", "edge"]
    best = {tuple(one[name] for name in CELL): json.dumps(one[key]) for one in winners}
    wanted = [best.get(cell) for cell in table[CELL].itertuples(index=False, name=None)]
    kept = [chosen in (None, value) for chosen, value in zip(wanted, table[VALUE], strict=True)]
    return Best(key, table[kept].drop(columns=VALUE), pd.DataFrame(winners, columns=columns))


def _winner(finished: pd.DataFrame, tried: list[str], key: str) -> dict[str, Any]:
    """The row of `Best.winners` of a cell, of the runs of it that finished and the values that were tried."""
    errors = finished.pivot_table(index="seed", columns=VALUE, values=ERROR)  # (seeds, values)
    winner = errors.mean().idxmin()
    own = errors[winner].dropna()
    held_out = len(errors) >= FEWEST and errors.shape[1] > 1 and bool(errors.notna().all(axis=None))
    if held_out:
        others = {seed: errors.drop(index=seed).mean().idxmin() for seed in errors.index}
        reported = np.array([errors.loc[seed, value] for seed, value in others.items()])
    else:
        reported = own.to_numpy()
    spread = float(reported.std(ddof=1) / np.sqrt(len(reported))) if len(reported) > 1 else float("nan")
    values = [json.loads(value) for value in tried]
    chosen, numbers = json.loads(winner), all(map(_is_number, values))
    edges = {min(values): "smallest", max(values): "largest"} if numbers and len(values) > 1 else {}
    return {
        key: chosen,
        "error": float(reported.mean()),
        "standard_error": spread,
        "seeds": len(reported),
        "held_out": held_out,
        "shown_error": float(own.mean()),
        "tried": len(values),
        "edge": edges.get(chosen, "") if numbers and chosen != 0 else "",  # beyond 0 there is nothing to try
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _order(value: Any) -> tuple[bool, Any]:
    return (False, value) if _is_number(value) else (True, _text(value))


def _text(value: Any) -> str:
    return str(value)
