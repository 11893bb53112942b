"""Which rung of which run is trained next, and when a sweep knows enough."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property, partial
from pathlib import Path

import numpy as np

import analysis.fitting.forecast as forecast
from analysis.fitting.forecast.blas_threads import on_one_thread
from analysis.fitting.forecast.points import Array
from analysis.fitting.forecast.scales import Scale
from analysis.fitting.forecast.sequential_design import Decision, Ended, Knowledge, SequentialDesign
from sweeps.execution.adaptive.candidates import Candidate, ends
from sweeps.execution.adaptive.history import EndedRung, History
from sweeps.execution.adaptive.measurements import Measurements
from sweeps.execution.adaptive.until import Until
from sweeps.monitoring.standing import Standing
from sweeps.storage.decisions import StoredDecision, write_stop
from sweeps.storage.run_status import RunStatus
from sweeps.storage.sweep_store import Store


@dataclass(frozen=True)
class Family:
    """Runs that predict each other, with their design; `scale`: on which they do."""

    runs: tuple[Candidate, ...]
    scale: Scale
    design: SequentialDesign

    @staticmethod
    def of(runs: Sequence[Candidate], until: Until, measurements: Callable[[Scale], Measurements]) -> Family:
        """Of runs that share a scale."""
        scale = _scale(runs[0], until)
        flops = np.array([run.flops for run in runs])
        at = ends(runs, windowed=until.is_relative)
        points = measurements(scale).points
        rungs = [run.rungs for run in runs]
        unit = partial(scale.unit, relative=until.is_relative)
        return Family(tuple(runs), scale, SequentialDesign(at, flops, rungs, until.target, points, scale.trend, unit))

    @cached_property
    def numbers(self) -> dict[str, int]:
        """run_id -> number of the run in the design."""
        return {run.run_id: number for number, run in enumerate(self.runs)}

    def ended(self, history: Sequence[EndedRung], quantity: str) -> tuple[Ended, ...]:
        """The ended rungs of its runs, with how far off what was predicted of each was."""
        mine = (one for one in history if one.run_id in self.numbers)
        return tuple(Ended(self.numbers[one.run_id], one.rung, self._residual(one, quantity)) for one in mine)

    def _residual(self, one: EndedRung, quantity: str) -> float:
        decision = one.decision
        if decision is None or not decision.measured or (decision.quantity, decision.scale) != (quantity, self.scale):
            return np.nan
        return self.scale.residual(decision.measured, decision.mean, decision.sd)


class Scheduler:
    """Of these runs in a store, for a launch; `retry_diverged`: whether those that have diverged are trained again;
    `finished`: run_id -> another store that has finished it, for a plan of a launch that will copy it; `whole`: whether
    these are all cells of the grid."""

    def __init__(
        self,
        store: Store,
        runs: Sequence[Candidate],
        until: Until,
        launch: str,
        retry_diverged: bool = False,
        finished: Mapping[str, Store] | None = None,
        whole: bool = True,
    ) -> None:
        self._store, self._runs, self._until, self._launch = store, runs, until, launch
        self._retry_diverged, self._finished, self._whole = retry_diverged, finished, whole
        self._history = History(store, [run.run_id for run in runs], self._finished)
        self._given: dict[str, StoredDecision] = {}  # by run_id, what this launch trains
        self._failed: set[str] = set()
        self._families = cache(self._made)

    @on_one_thread
    def next(self) -> StoredDecision | None:
        """What a free worker trains: a rung that somebody began and left, else the one that is expected to tell the
        most per FLOP. None where nothing is worth it now; `enough` says whether that stays so."""
        self._history.refresh()
        busy = self._history.held() | {run_id: one.rung for run_id, one in self._given.items()}
        left_out = self._left_out()
        for decision in self._history.underway():
            if decision.run_id not in busy and decision.run_id not in left_out:
                return self._give(decision)
        choices = [
            (choice.fall_per_flop, family, choice)
            for family in self._families(left_out)
            if not self._enough(family) and (choice := self._choice(family, busy))
        ]
        if not choices:
            return None
        _, family, choice = max(choices, key=lambda one: one[0])
        return self._give(self._decided(family, choice))

    def returned(self, decision: StoredDecision, status: RunStatus) -> None:
        """A worker has ended, or left, what it was given."""
        self._given.pop(decision.run_id, None)
        if status is RunStatus.FAILED:
            self._failed.add(decision.run_id)
        elif status in (RunStatus.PAUSED, RunStatus.FINISHED):
            self._history.trained_again(decision.run_id, decision.rung)
        self._history.refresh()

    def again(self, decision: StoredDecision) -> StoredDecision:
        """Give out what a worker failed at once more."""
        self._failed.discard(decision.run_id)
        return self._give(decision)

    @on_one_thread
    def enough(self) -> bool:
        """Whether the target is met, or nothing is left to be trained; rungs that somebody trains count as they end."""
        left_out = self._left_out()
        begun = {one.run_id for one in self._history.underway()} - left_out
        return not begun and all(map(self._enough, self._families(left_out)))

    def waits(self) -> bool:
        """Whether others train what the next decision may depend on."""
        return bool(set(self._history.held()) - set(self._given))

    def conclude(self) -> Standing:
        """How it stands at the end of a launch; that a whole grid met the target is kept in the store."""
        self._history.refresh()
        standing = self.standing()
        if self._whole and standing.met and self.enough():
            write_stop(self._store.root, standing.summary())
        return standing

    @on_one_thread
    def standing(self) -> Standing:
        """By all that has ended."""
        left_out, history = self._left_out(), self._history.ended()
        families = self._families(left_out)
        known = [family.design.knowledge(family.ended(history, self._until.quantity)) for family in families]
        reached: dict[str, float] = {}
        for one in history:
            reached[one.run_id] = max(reached.get(one.run_id, 0.0), one.rung)
        spent = sum(run.flops * reached.get(run.run_id, 0.0) for run in self._runs)
        trained = sum(rung == 1 for rung in reached.values())
        begun = {one.run_id for one in self._history.underway()} - left_out
        sd, widths = (
            np.concatenate([np.zeros(0), *parts]) for parts in (_open(known, "sd"), _open(known, "half_width"))
        )
        return Standing(
            until=self._until.text,
            unit="" if self._until.is_relative else self._until.quantity,
            total=len(self._runs),
            trained=trained,
            paused=len(set(reached) - left_out - begun) - trained,
            begun=len(begun),
            left_out=len(left_out),
            share=spent / sum(run.flops for run in self._runs),
            predicted=len(sd),
            rms=float(np.sqrt((sd**2).mean())) if len(sd) else 0.0,
            worst=float(widths.max()) if len(sd) else 0.0,
            met=bool(families) and all(map(self._enough, families)),
            few=any(one.calibration.few for one in known),
            whole=self._whole,
        )

    def families(self) -> list[tuple[Family, tuple[Ended, ...]]]:
        """Runs that predict each other, with their rungs that have ended."""
        history = self._history.ended()
        return [(one, one.ended(history, self._until.quantity)) for one in self._families(self._left_out())]

    def _left_out(self) -> frozenset[str]:
        """Runs that leave the target: diverged, or failed in this launch."""
        kept = () if self._retry_diverged else (RunStatus.DIVERGED,)
        diverged = {run.run_id for run in self._runs if self._history.status(run.run_id) in kept}
        return frozenset(self._failed | diverged)

    def _made(self, left_out: frozenset[str]) -> list[Family]:
        kept = [run for run in self._runs if run.run_id not in left_out]
        parts = ([run for run in kept if _scale(run, self._until) is scale] for scale in Scale)
        return [Family.of(runs, self._until, self._measurements(runs)) for runs in parts if runs]

    def _measurements(self, runs: Sequence[Candidate]) -> Callable[[Scale], Measurements]:
        def read(scale: Scale) -> Measurements:
            found = Measurements(self._store, self._until.quantity, scale, runs, self._finished)
            begun = {one.run_id for one in self._history.ended()}
            found.read(number for number, run in enumerate(runs) if run.run_id in begun)
            return found

        return read

    def _enough(self, family: Family) -> bool:
        return family.design.enough(family.ended(self._history.ended(), self._until.quantity))

    def _choice(self, family: Family, busy: dict[str, float]) -> Decision | None:
        ended = family.ended(self._history.ended(), self._until.quantity)
        running = [(family.numbers[run_id], rung) for run_id, rung in busy.items() if run_id in family.numbers]
        return family.design.choose(ended, running)

    def _give(self, decision: StoredDecision) -> StoredDecision:
        self._given[decision.run_id] = decision
        return decision

    def _decided(self, family: Family, choice: Decision) -> StoredDecision:
        run, scale = family.runs[choice.run], family.scale
        number = max([self._history.next_number(), *(1 + one.number for one in self._given.values())])
        return StoredDecision(
            run.run_id, choice.rung, run.steps_of(choice.rung), number,
            self._until.quantity, scale.value, self._launch, code_of_decisions(), datetime.now(UTC),
            choice.fall_per_flop, choice.mean, choice.sd, float(scale.inverse(np.array(choice.mean))),
        )  # fmt: skip


def _scale(run: Candidate, until: Until) -> Scale:
    return Scale.of(until.quantity, run.spec.objective.name)


def _open(known: list[Knowledge], name: str) -> list[Array]:
    return [getattr(one, name)[one.open] for one in known]


@cache
def code_of_decisions() -> str:
    """Digest of the code that decisions follow from."""
    digest = hashlib.sha256()
    for folder in (Path(forecast.__file__).parent, Path(__file__).parent):
        for file in sorted(folder.glob("*.py")):
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:12]
