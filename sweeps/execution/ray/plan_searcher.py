"""The cells of a plan, in its order, as Tune asks for its next trial.

Where there are many short cells, a trial is some dozen of them: Tune takes a tenth of a second for the emptiest trial.

`tune.grid_search` says the same in a line, but Tune then copies the whole list of cells for each of them; and it reads
the trainable from its registry anew for each, so that nothing that knows all cells may be part of that. Either way ten
thousand cells cost a hundred times what one thousand do. So a trial's configuration carries all that Tune must know.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ray.tune.search import Searcher

from sweeps.planning.plan import Cell

SHORT_SECONDS = 1.0  # estimated; a cell that takes less may share a trial
MOST = 32  # cells in one trial
TRIALS_PER_SLOT = 8  # at least, so that all workers end at about the same time


def grouped(cells: list[Cell], slots: int) -> Iterator[list[Cell]]:
    """`cells` in their order, as trials on so many workers: each alone, but for short ones on CPUs where there are
    many."""
    size = max(1, min(MOST, len(cells) // (TRIALS_PER_SLOT * slots)))
    group: list[Cell] = []
    for cell in cells:
        short = cell.seconds <= SHORT_SECONDS and not cell.gpus
        if group and (not short or len(group) == size or cell.cpus != group[0].cpus):
            yield group
            group = []
        if short:
            group.append(cell)
        else:
            yield [cell]
    if group:
        yield group


def configuration(cells: list[Cell]) -> dict[str, Any]:
    """Of a trial of `cells`, one after the other, all with the resources of the first."""
    return {"run_ids": [cell.run_id for cell in cells], "cpu": cells[0].cpus, "gpu": cells[0].gpus}


class PlanSearcher(Searcher):  # type: ignore[misc]
    """Suggests each of `trials` once, in their order."""

    def __init__(self, trials: list[list[Cell]]) -> None:
        super().__init__()
        self._left = iter(trials)

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        cells = next(self._left, None)
        return Searcher.FINISHED if cells is None else configuration(cells)

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Nothing follows for the others."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: Ray's state of a launch is never restored, the store is."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, likewise."""


def resources(config: dict[str, Any]) -> dict[str, float]:
    """What a trial of this configuration asks of Ray."""
    return {"cpu": config["cpu"], "gpu": config["gpu"]}
