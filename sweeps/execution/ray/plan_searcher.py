"""The cells of a plan, in its order, as Tune asks for its next trial.

`tune.grid_search` says the same in a line, but Tune then copies the whole list of cells for each of them; and it reads
the trainable from its registry anew for each, so that nothing that knows all cells may be part of that. Either way ten
thousand cells cost a hundred times what one thousand do. So a trial's configuration carries all that Tune must know.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ray.tune.search import Searcher

from sweeps.planning.plan import Cell


class PlanSearcher(Searcher):  # type: ignore[misc]
    """Suggests each of `cells` once, in their order."""

    def __init__(self, cells: Iterable[Cell]) -> None:
        super().__init__()
        self._left = iter(list(cells))

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        cell = next(self._left, None)
        return Searcher.FINISHED if cell is None else {"run_id": cell.run_id, "cpu": cell.cpus, "gpu": cell.gpus}

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Nothing follows for the others."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: Ray's state of a launch is never restored, the store is."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, likewise."""


def resources(config: dict[str, Any]) -> dict[str, float]:
    """What a trial of this configuration asks of Ray."""
    return {"cpu": config["cpu"], "gpu": config["gpu"]}
