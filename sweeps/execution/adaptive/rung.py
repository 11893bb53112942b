"""A rung of a run: the decision to train it so far and no further, kept in the store when it begins and ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from mmcr_core.theory import PERCENT_ERROR, final_steps
from mmcr_core.training import Pretraining
from sweeps.storage.decisions import StoredDecision, read_decision, write_decision
from sweeps.storage.sweep_store import Store


def at_the_end(trajectory: pd.DataFrame, columns: Sequence[str]) -> dict[str, float]:
    """Means of these columns over the last steps of a trajectory, which are the outcome of a run or of a rung."""
    last = trajectory.tail(final_steps(len(trajectory)))
    return {name: float(last[name].mean()) for name in columns}


def row_of(rows: Iterable[dict[str, Any]], quantity: str) -> dict[str, Any] | None:
    """The row of a measure that has a value: with all labels, or of the data set that it is of; None where it is not
    among these measures of a run at a step."""
    named = [row for row in rows if row["name"] == quantity and row["value"] is not None]
    return next((row for row in named if not row["subject"]), named[0] if len(named) == 1 else None)


class Rung:
    """The rung that `decision` says, for a process that has the lease of its run."""

    def __init__(self, store: Store, decision: StoredDecision) -> None:
        self._store, self._decision = store, decision

    @property
    def steps(self) -> int:
        """At which it ends."""
        return self._decision.steps

    def begin(self) -> bool:
        """Keep the decision, unless it was begun before: then it stays as it was. Whether the run was paused there."""
        root, run_id = self._store.root, self._decision.run_id
        earlier = read_decision(root, run_id, self._decision.rung)
        if earlier is None:
            write_decision(root, self._decision)
            return False
        self._decision = earlier
        paused = earlier.ended_at is not None and earlier.rung < 1
        return paused and self._store.steps_stored(run_id) >= earlier.steps

    def needs_measure(self, run: Pretraining) -> bool:
        """Whether a measure decides, and is not in the store."""
        return self._decision.quantity != PERCENT_ERROR and self._measured(run) is None

    def end(self, run: Pretraining) -> None:
        """Keep what was measured, once; what it was measured on is in the store."""
        if self._decision.ended_at is None:
            self._decision = self._decision.ended(self._measured(run))
            write_decision(self._store.root, self._decision)

    def _measured(self, run: Pretraining) -> float | None:
        run_id, quantity = self._decision.run_id, self._decision.quantity
        if quantity == PERCENT_ERROR:
            return at_the_end(self._store.read_trajectory(run_id).head(run.step), [quantity])[quantity]
        row = row_of(self._store.read_measures(run_id, run.step), quantity)
        return row["value"] if row else None
