"""The trackers of one run, fed from what the store has.

Each is given every step once and in order: what an earlier process stored and did not log is logged first, and what is
trained again after a kill is not logged again. How far a tracker has come is a note beside the run's checkpoints,
unless the tracker knows better. A tracker that raises is left out from there on.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmcr_core import custom_imports
from mmcr_core.config.run import RunSpec
from mmcr_core.training import Chunk
from sweeps.monitoring.trackers.choice import make_tracker
from sweeps.monitoring.trackers.tracker import TrackedRun, Tracker
from sweeps.storage.sweep_store import Store


class Tracking:
    """The trackers called `names` for the run `run_id` in `store`; `note` tells whoever watches."""

    def __init__(self, names: Sequence[str], store: Store, run_id: str, note: Callable[[str], None]) -> None:
        self._names, self._store, self._run_id, self._note = names, store, run_id, note
        self._trackers: dict[str, Tracker] = {}
        self._logged: dict[str, int] = {}

    def start(self, spec: RunSpec, sweep: str, steps: int) -> None:
        """The run begins or goes on in this process, and has so many steps in the end."""
        for name in dict.fromkeys(self._names):
            self._guard(name, lambda name=name: self._start(name, spec, sweep, steps))  # type: ignore[misc]
        if any(logged < self._store.steps_stored(self._run_id) for logged in self._logged.values()):
            columns = self._store.read_trajectory(self._run_id).drop(columns="run_id")
            last = len(columns) - 1
            self.log(Chunk(0, last, {name: columns[name].to_numpy() for name in columns}))

    def log(self, chunk: Chunk) -> None:
        """A chunk that the store has: what each tracker does not have of it."""
        for name in list(self._trackers):
            self._guard(name, lambda name=name: self._log(name, chunk))  # type: ignore[misc]

    def finish(self, row: Mapping[str, Any] | None) -> None:
        """The run has ended, with this row; None: it does not go on in this process. Further calls do nothing."""
        for name, tracker in list(self._trackers.items()):
            self._guard(name, lambda tracker=tracker: tracker.finish(row))  # type: ignore[misc]
        self._trackers.clear()

    def _start(self, name: str, spec: RunSpec, sweep: str, steps: int) -> None:
        tracker, noted = make_tracker(name), self._store.read_note(self._run_id, _note_of(name))
        run = TrackedRun(self._run_id, sweep, spec, steps, self._store.root, int(noted or 0))
        known = tracker.start(run)
        self._logged[name] = run.logged if known is None else operator.index(known)  # of steps, or TypeError
        self._trackers[name] = tracker

    def _log(self, name: str, chunk: Chunk) -> None:
        first = max(chunk.step_first, self._logged[name])
        if first > chunk.step_last:
            return
        rest = {key: values[first - chunk.step_first :] for key, values in chunk.columns.items()}
        self._trackers[name].log(Chunk(first, chunk.step_last, rest))
        self._logged[name] = chunk.step_last + 1
        self._store.write_note(self._run_id, _note_of(name), str(self._logged[name]))

    def _guard(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except custom_imports.RAISED as error:  # whatever trackers and their servers raise loses no cell
            self._trackers.pop(name, None)
            self._logged.pop(name, None)
            first = str(error).strip().partition("\n")[0]  # what follows is of one run, and for developers
            reason = f"{type(error).__name__}: {first}".replace(self._run_id, "RUN_ID")[:500]
            self._note(f"tracker {name} fails ({reason}); runs go on without it")


def _note_of(name: str) -> str:
    return f"tracked-{name.replace(':', '-')}.txt"
