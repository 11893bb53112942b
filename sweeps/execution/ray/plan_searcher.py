"""The cells of a plan, in its order, as Tune asks for its next trial.

`tune.grid_search` says the same in a line, but Tune then copies the whole list of cells for each of them: ten thousand
cells cost a hundred times what one thousand do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ray.tune.search import Searcher


class PlanSearcher(Searcher):  # type: ignore[misc]
    """Suggests each of `run_ids` once, in their order."""

    def __init__(self, run_ids: Iterable[str]) -> None:
        super().__init__()
        self._left = iter(list(run_ids))

    def suggest(self, trial_id: str) -> dict[str, str] | str:
        run_id = next(self._left, None)
        return Searcher.FINISHED if run_id is None else {"run_id": run_id}

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Nothing follows for the others."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: Ray's state of a launch is never restored, the store is."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, likewise."""
