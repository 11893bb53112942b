"""What has happened to the rungs of a sweep, as its store says: which have ended, in which order, which are underway.

All decisions follow from this, so that a launch after a crash, or beside another, decides as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from sweeps.storage.decisions import WHOLE, Key, StoredDecision, decided_rungs, read_decisions
from sweeps.storage.packing.packed import packed_paths
from sweeps.storage.run_status import RunStatus
from sweeps.storage.snapshot import Snapshot
from sweeps.storage.sweep_store import Store

LONG_AGO = datetime.min.replace(tzinfo=UTC)


class EndedRung(NamedTuple):
    """In the order in which they sort. `decision`: what was predicted, where this was a decision."""

    at: datetime
    run_id: str
    rung: float
    decision: StoredDecision | None


class History:
    """Of these runs of a store, and of those that are `finished` in others. `refresh` reads what is new."""

    def __init__(self, store: Store, runs: Collection[str], finished: Mapping[str, Store] | None = None) -> None:
        self._store, self._runs = store, set(runs)
        self.decisions: dict[Key, StoredDecision] = {}
        self._rows: dict[str, tuple[str, datetime]] = {}
        self._held: dict[str, bool] = {}
        self._lost: set[Key] = set()
        self._packed = packed_paths(store.root)
        snapshot = store.snapshot()
        self._keep_rows(snapshot)
        for run_id, other in (finished or {}).items():
            self._keep_row(run_id, other.read_run(run_id))
        self.refresh()
        ended = (one for one in self.decisions.values() if one.ended_at is not None)
        gone = (one for one in ended if snapshot.steps_stored(one.run_id) < one.steps)
        self._lost = {(one.run_id, one.rung) for one in gone}  # what was measured is no longer there

    def refresh(self) -> None:
        """See what the store has now."""
        listing = Snapshot(self._store.root).listing
        for run_id in listing.rows:
            if run_id in self._runs and self.status(run_id) != RunStatus.FINISHED and self._store.status(run_id):
                self._keep_row(run_id, self._store.read_run(run_id))
        if (packed := packed_paths(self._store.root)) != self._packed:  # after the small rows, which may go now
            self._packed = packed
            self._keep_rows(self._store.snapshot())
        files = decided_rungs(self._store.root)
        settled = {key for key, decision in self.decisions.items() if decision.ended_at is not None}
        for file in {file for key, file in files.items() if key not in settled}:
            found = read_decisions(file) or {}
            self.decisions |= {key: each for key, each in found.items() if files.get(key) == file}
        self._held = {run_id: self._store.lease(run_id, "").held() for run_id in listing.leases & self._runs}

    def trained_again(self, run_id: str, rung: float) -> None:
        """A rung that was lost has ended anew."""
        self._lost.discard((run_id, rung))

    def status(self, run_id: str) -> str | None:
        """How a run has ended; None where it has not."""
        return self._rows[run_id][0] if run_id in self._rows else None

    def held(self) -> dict[str, float]:
        """run_id -> rung up to which some process trains it now: its whole, where no decision says so."""
        begun = {decision.run_id: decision.rung for decision in self.underway()}
        return {run_id: begun.get(run_id, WHOLE) for run_id, held in self._held.items() if held}

    def ended(self) -> list[EndedRung]:
        """The rungs that have ended, in the order in which they did; a run that was finished by no decision counts as
        one from when it was."""
        found = []
        for (run_id, rung), decision in self.decisions.items():
            there = (run_id, rung) not in self._lost and run_id in self._runs
            if there and decision.ended_at is not None and rung < WHOLE:
                found.append(EndedRung(decision.ended_at, run_id, rung, decision))
        for run_id, (status, finished_at) in self._rows.items():
            if status == RunStatus.FINISHED:
                last = self.decisions.get((run_id, WHOLE))
                at = last.ended_at if last and last.ended_at else finished_at
                found.append(EndedRung(at, run_id, WHOLE, last))
        return sorted(found, key=lambda one: one[:3])

    def underway(self) -> list[StoredDecision]:
        """Rungs that were begun and have not ended, the first first."""
        reached: dict[str, float] = {}
        for one in self.ended():
            reached[one.run_id] = max(reached.get(one.run_id, 0.0), one.rung)
        begun = [
            decision
            for (run_id, rung), decision in self.decisions.items()
            if run_id in self._runs and rung > reached.get(run_id, 0.0) and (run_id, rung) not in self._lost
        ]
        return sorted(begun, key=lambda decision: (decision.number, decision.run_id))

    def next_number(self) -> int:
        """Of the next decision."""
        return 1 + max((decision.number for decision in self.decisions.values()), default=-1)

    def _keep_rows(self, snapshot: Snapshot) -> None:
        for run_id, row in snapshot.rows("status", "finished_at").items():
            self._keep_row(run_id, row)

    def _keep_row(self, run_id: str, row: dict[str, object]) -> None:
        if run_id in self._runs:
            at = row["finished_at"]
            self._rows[run_id] = str(row["status"]), at if isinstance(at, datetime) else LONG_AGO
