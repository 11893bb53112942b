"""An adaptive sweep under Ray Tune: each free worker gets the rung that is worth most by then, as a trial."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from ray.tune.search import Searcher

from sweeps.execution.adaptive.scheduler import Scheduler
from sweeps.execution.executor_settings import Progress
from sweeps.execution.ray.plan_searcher import configuration
from sweeps.execution.ray.ray_tune import POLL_SECONDS, Launch, whole_gpu
from sweeps.execution.retries import Retry, next_attempt
from sweeps.monitoring.launch_outcome import Outcome
from sweeps.planning.plan import Cell
from sweeps.storage.decisions import StoredDecision
from sweeps.storage.run_status import RunStatus


class NextRung(Searcher):  # type: ignore[misc]
    """Tune's view of where trials come from."""

    def __init__(self, ask: Callable[[], dict[str, Any] | str | None]) -> None:
        super().__init__()
        self._ask = ask

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles what it is given; a store's leases and a terminal cannot be pickled."""
        return {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        return self._ask()

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """`AdaptiveLaunch` hears of it from the watch of workers."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: Ray's state of a launch is never restored, the store is."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, likewise."""


class AdaptiveLaunch:
    """The rungs that `scheduler` chooses, in one launch's Ray of so many `gpus` and `cpus`."""

    def __init__(self, launch: Launch, scheduler: Scheduler, cells: list[Cell], gpus: float, cpus: float) -> None:
        self._launch, self._scheduler, self._gpus, self._cpus = launch, scheduler, gpus, cpus
        self._cells = {cell.run_id: cell for cell in cells}
        self._running: dict[str, StoredDecision] = {}
        self._waiting = deque[tuple[StoredDecision, bool]]()  # to be tried again, and whether alone
        self._alone: str | None = None
        self._attempts: dict[str, int] = {}
        self._asked = -math.inf
        self._done = False

    def run(self) -> Outcome:
        """Train until the target is met, or all is trained."""
        limits = self._launch.limits
        measured_again = [
            cell for cell in self._cells.values() if self._launch.store.status(cell.run_id) == RunStatus.FINISHED
        ]
        outcome = self._launch.run(measured_again) if measured_again else Outcome()
        try:
            while not outcome.interrupted:
                self._done = False
                self._launch.fit(list(self._cells.values()), outcome, NextRung(self._next), self._returned)
                if not self._done:  # Ctrl-C, or the time is up
                    outcome.interrupted = True
                elif self._scheduler.enough() or not (limits.wait and self._scheduler.waits()):
                    break
                else:
                    self._wait(outcome)
        except KeyboardInterrupt:
            outcome.interrupted = True
        outcome.timed_out = outcome.interrupted and time.monotonic() > limits.deadline
        for run_id in outcome.with_status(RunStatus.LEFT):  # another launch does it
            del outcome.unfinished[run_id]
        outcome.standing = self._scheduler.conclude()
        return outcome

    def _wait(self, outcome: Outcome) -> None:
        """Until others have ended what the next decision follows from."""
        self._launch.watcher.noted("waiting for cells that another launch trains (--no-wait leaves them)")
        while self._scheduler.waits():
            if decision := self._scheduler.next():
                self._waiting.append((decision, False))
                return
            if time.monotonic() > self._launch.limits.deadline:
                outcome.interrupted = True
                return
            time.sleep(POLL_SECONDS)

    def _next(self) -> dict[str, Any] | str | None:
        """A trial's configuration; None while there is nothing to be given, FINISHED where there won't be."""
        if self._alone or (self._running and not self._has_room()):
            return None
        alone = False
        if self._waiting:
            decision, alone = self._waiting[0]
            if alone and self._running:
                return None
            self._waiting.popleft()
            decision = self._scheduler.again(decision)
        else:
            if self._running and time.monotonic() - self._asked < POLL_SECONDS:
                return None
            found = self._scheduler.next()
            if found is None:
                self._asked = time.monotonic()
                self._done = not self._running
                return None if self._running else Searcher.FINISHED
            decision = found
        self._running[decision.run_id] = decision
        self._alone = decision.run_id if alone else None
        cell = self._cells[decision.run_id]
        return configuration([whole_gpu(cell) if alone else cell]) | {"decision": asdict(decision)}

    def _has_room(self) -> bool:
        """Whether one more cell can run now."""
        limit = self._launch.limits.max_concurrent
        if limit and len(self._running) >= limit:
            return False
        running = [self._cells[run_id] for run_id in self._running]
        least = [min(getattr(cell, name) for cell in self._cells.values()) for name in ("cpus", "gpus")]
        used = [sum(getattr(cell, name) for cell in running) for name in ("cpus", "gpus")]
        return all(a + b <= c + 1e-6 for a, b, c in zip(used, least, (self._cpus, self._gpus), strict=True))

    def _returned(self, cell: Cell, progress: Progress) -> None:
        """A trial has ended."""
        decision = self._running.pop(cell.run_id)
        self._alone, self._asked = None, -math.inf
        attempts = self._attempts[cell.run_id] = self._attempts.get(cell.run_id, 0) + 1
        self._scheduler.returned(decision, progress.status)
        retry = next_attempt(progress.ending, attempts, self._launch.settings.retries)
        if retry is not Retry.NO:
            self._waiting.append((replace(decision), retry is Retry.ALONE))
        elif progress.ending is None:
            self._attempts[cell.run_id] = 0
        self._launch.watcher.stands(self._scheduler.standing())
