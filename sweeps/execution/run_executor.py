"""One run, from its newest valid checkpoint (or nothing) to its row in the store. Needs no Ray.

A trial is advanced a slice of seconds at a time, so that whoever drives it can watch, checkpoint and stop it;
how it is sliced changes no number.
"""

from __future__ import annotations

import math
import socket
import time
import traceback
import uuid
from typing import Any

from mmcr_core import custom_imports
from mmcr_core.config.run import RunSpec
from mmcr_core.config.run_id import run_id
from mmcr_core.data.image_set import DatasetError, describe_skipped
from mmcr_core.evaluation.confidence_intervals import Measure
from mmcr_core.theory import RepresentationCollapse, detect_collapse
from mmcr_core.training import CaptureFailed, Chunk, Diverged, Pretraining, is_out_of_memory, process_must_end
from sweeps.execution.adaptive.rung import Rung, at_the_end
from sweeps.execution.backfill import measure_finished, outcome_columns
from sweeps.execution.checkpointing import NO_GRAPHS, RunStart, start, state_to_start_from, write_checkpoint
from sweeps.execution.executor_settings import JUDGED_FROM, ExecutorSettings, Progress
from sweeps.execution.peak_memory import FIRST_STEPS, PeakMemory
from sweeps.execution.run_metadata import describe_run, describe_training
from sweeps.execution.saved_weights import keep
from sweeps.execution.signals import StopFlag
from sweeps.execution.stored_measures import missing_at, write_measures
from sweeps.monitoring.launch_outcome import Ending, StopReason, with_earlier
from sweeps.monitoring.trackers.tracking import Tracking
from sweeps.storage.decisions import StoredDecision
from sweeps.storage.packing.compaction import compact_run
from sweeps.storage.run_status import RunStatus
from sweeps.storage.sweep_store import Store

CHECKPOINT_SHARE = 0.02  # of the time, at most, goes into checkpoints


class RunExecutor:
    """A run of `spec` in `store`, for the sweep of that name and the launch `launch`; up to a rung and no further where
    a `decision` says so."""

    def __init__(
        self,
        spec: RunSpec,
        store: Store,
        sweep: str,
        settings: ExecutorSettings | None = None,
        *,
        launch: str = "",
        decision: StoredDecision | None = None,
    ) -> None:
        self.spec, self.store, self.sweep = spec, store, sweep
        self.settings = settings or ExecutorSettings()
        self.run_id = run_id(spec)
        self._begun = RunStart.now(self.settings)
        self._next_checkpoint = time.monotonic() + self.settings.checkpoint_seconds
        self._slice = 1
        self._memory = PeakMemory(self.settings.device)
        self._first_steps_end: int | None = None  # the step at which the peak of the first is set apart
        self._run: Pretraining | None = None
        self._lease = store.lease(self.run_id, launch or uuid.uuid4().hex)
        self._leased = False
        self._notes: list[str] = []
        self._tracking = Tracking(self.settings.track, store, self.run_id, self._notes.append)
        self._rung = Rung(store, decision) if decision else None
        self._shorter_chunks = False  # whether chunks of an earlier attempt may lie inside the next one

    def advance(self, seconds: float, stop: StopFlag | None = None) -> Progress:
        """Train for about `seconds`, or until `stop` is set; at the end, evaluate and write the run's row. At the
        end of its rung a run is `paused`: it has no row, and goes on later as if it had not been.

        An exception in the run becomes a row with status `failed`, so that the sweep's other cells go on. A cell that
        another launch is training is `left` to it. Of a finished run only what is missing is measured.

        Raises: CaptureFailed, and what says that the device's context is broken: then the process must end, and the
            run goes on in another.
        """
        try:
            if not self._leased:
                if (owner := self._lease.take()) is not None:
                    reason = f"left to the launch that trains it, process {owner.pid} on {owner.machine.split()[0]}"
                    return self._left(reason)
                self._leased = True
                if self.store.status(self.run_id) == RunStatus.FINISHED:  # by that launch, just before, or long ago
                    return self._already_finished()
                if self._rung and self._rung.begin():
                    return self._already_paused(self._rung)
            run = self._run = self._run or self._start()
            until = time.monotonic() + seconds
            end = min(run.steps, self._rung.steps) if self._rung else run.steps
            while run.step < end:
                if self._lease.lost:
                    if self._lease.gone:
                        return self.abandon()
                    self._end_run()
                    return self._left("another launch has taken this cell over")
                self._measure_on_the_way(run)
                self._train_slice(run, seconds, end)
                if time.monotonic() >= until or (stop and stop.stopped):
                    break
            if run.step < end:
                return self._progress(run, RunStatus.RUNNING)
            if self._rung and end < run.steps:
                self._pause(run, self._rung)
                progress = self._progress(run, RunStatus.PAUSED)
            else:
                self._finish(run)
                progress = self._progress(run, RunStatus.FINISHED)
            self._let_go()
            return progress
        except Diverged as error:
            return self._end(StopReason.DIVERGED, str(error))
        except DatasetError as error:  # data lies on each node
            return self._end(StopReason.BAD_DATA, f"DatasetError on node {socket.gethostname()}: {error}")
        except CaptureFailed as error:
            self.store.write_note(self.run_id, NO_GRAPHS, str(error))
            self._let_go()  # without a checkpoint: nothing can be read from the device any more
            raise
        except Exception as error:  # whatever a cell raises is that cell's result
            if is_out_of_memory(error):
                return self._end(StopReason.OUT_OF_MEMORY, f"OutOfMemoryError: {error}", process_must_end(error))
            if process_must_end(error):
                self._let_go()
                raise
            place = f" ({found})" if (found := custom_imports.place_of(error)) else ""
            return self._end(StopReason.ERROR, f"{type(error).__name__}: {error}{place}")

    def _pause(self, run: Pretraining, rung: Rung) -> None:
        """What was trained, measured, and what it resumes from; the decision's end last."""
        if chunk := run.unfinished_chunk():
            self._write_chunk(chunk)
        if rung.needs_measure(run):
            write_measures(self.store, run, run.evaluate())
        self.save(alone=True)
        self.store.drop_row(self.run_id)  # of an attempt that failed
        rung.end(run)

    def _write_chunk(self, chunk: Chunk) -> None:
        self.store.write_chunk(self.run_id, chunk.step_first, chunk.step_last, chunk.columns)
        self._tracking.log(chunk)
        if self._shorter_chunks:  # that of a rung which ended within this one
            self.store.drop_shorter_chunks(self.run_id, chunk.step_first, chunk.step_last)
            self._shorter_chunks = False

    def stop(self) -> None:
        """Leave the run where it is: a last checkpoint, and the lease given back."""
        self.save()
        self._let_go()

    def abandon(self) -> Progress:
        """The sweep's folder is gone: nothing is written, so that no other is begun in its place."""
        self._let_go()
        text = f"{self.store.root} was moved or removed meanwhile; put it back and launch again"
        return self._progress(None, RunStatus.FAILED, Ending(StopReason.STORE_GONE, text))

    def _end_run(self) -> None:
        self._tracking.finish(None)
        if self._run is not None:
            self._run.close()
        self._run = None

    def _let_go(self) -> None:
        self._end_run()
        self._lease.release()

    def save(self, *, alone: bool = False) -> None:
        """Write a checkpoint now, if the run has started and has not ended; `alone`: without an older one."""
        run = self._run
        if run is None or run.step == 0 or self._lease.lost:
            return
        began = time.monotonic()
        write_checkpoint(self.store, run, self._begun, alone=alone)
        now = time.monotonic()
        self._next_checkpoint = now + max(self.settings.checkpoint_seconds, (now - began) / CHECKPOINT_SHARE)

    def _start(self) -> Pretraining:
        stored = self.store.steps_stored(self.run_id)
        state = state_to_start_from(self.store, self.run_id, self.settings, self._notes.append)
        if state is not None:
            self._shorter_chunks = True
            self._begun = RunStart(**state["begun"])
        elif self._rung and stored:
            self._notes.append(f"its checkpoint is gone: {stored:,} steps are trained anew")
        self._memory.begin()
        run = start(self.spec, self.store, self.settings, state, self._begun, self._remember)
        self._first_steps_end = run.step + FIRST_STEPS if self._memory.on_gpu else None
        self._tracking.start(self.spec, self.sweep, run.steps)
        return run

    def _remember(self, note: str) -> None:
        """For whoever watches, and once for the run's row."""
        self._notes.append(note)
        if note not in self._begun.notes:
            self._begun.notes.append(note)

    def _train_slice(self, run: Pretraining, seconds: float, end: int) -> None:
        """Some steps, about a quarter of `seconds` of them, with their chunks and, when due, a checkpoint; no further
        than to step `end`, to where something is to be measured, or the first steps end."""
        began, first = time.monotonic(), run.step
        stops = [step for step in (*self.spec.evaluate.steps(run.steps), self._first_steps_end or 0) if step > first]
        for chunk in run.run(until=min([first + self._slice, end, *stops])):
            self._write_chunk(chunk)
        taken = time.monotonic() - began
        if run.step == self._first_steps_end:
            self._memory.first_steps_end()
        self._begun.trained_seconds += taken
        per_step = taken / max(1, run.step - first)
        self._slice = max(1, min(4 * self._slice, int(seconds / 4 / per_step)))
        if time.monotonic() > self._next_checkpoint:
            self.save()

    def _measure_on_the_way(self, run: Pretraining) -> None:
        """What is asked for at this step and missing. A checkpoint of any later step is written after this, and one of
        this step comes back here, so that no kill loses a measure."""
        if run.step in self.spec.evaluate.steps(run.steps) and missing_at(self.store, self.spec, run.step):
            write_measures(self.store, run, run.evaluate())

    def _finish(self, run: Pretraining) -> None:
        if self.store.steps_stored(self.run_id) != run.steps:
            self.store.drop_checkpoints(self.run_id)
            raise RuntimeError("its trajectory in the store is incomplete; launch again to train it anew")
        measures = self._measured(run) if run.steps in self.spec.evaluate.steps(run.steps) else []
        if measures:
            write_measures(self.store, run, measures)
        keep(self.store, run, vars(self._begun), self.settings.keep)
        if self._rung:
            self._rung.end(run)
        means = at_the_end(self.store.read_trajectory(self.run_id), ("percent_error", "reconstruction", "uniformity"))
        self._write_row(RunStatus.FINISHED, None, means | outcome_columns(measures, self.spec))
        if collapse := detect_collapse(means["uniformity"], self.spec.P, self.spec.D):
            self._notes.append(collapse.describe())
        self.store.drop_checkpoints(self.run_id)
        compact_run(self.store, self.run_id)  # hundreds of small files are slow to list, on NFS and object stores

    def _measured(self, run: Pretraining) -> list[Measure]:
        """What is measured at the end. What was trained stays where that fails."""
        try:
            return run.evaluate()
        except Exception as error:
            if not process_must_end(error):
                self.save()
            raise

    def _already_finished(self) -> Progress:
        """Measure what is asked for and missing."""
        ending, notes = measure_finished(self.store, self.spec, self.settings.device, self.settings.threads)
        status = ending.status if ending else RunStatus.FINISHED
        steps = self.store.read_run(self.run_id)["steps"]
        self._let_go()
        return Progress(status, steps, steps, math.nan, 0.0, ending, (*self._notes, *notes))

    def _already_paused(self, rung: Rung) -> Progress:
        """Another launch trained this rung, just before."""
        self._let_go()
        return Progress(RunStatus.PAUSED, rung.steps, rung.steps, math.nan, 0.0)

    def _left(self, text: str) -> Progress:
        return self._progress(None, RunStatus.LEFT, Ending(StopReason.ELSEWHERE, text))

    def _end(self, reason: StopReason, text: str, process_ends: bool = False) -> Progress:
        status = Ending(reason, text).status
        try:
            self.store.write_log(self.run_id, traceback.format_exc())
            if reason is StopReason.DIVERGED:  # it would diverge again from there
                self.store.drop_checkpoints(self.run_id)
            earlier = self.store.read_run(self.run_id)["error"] if self.store.status(self.run_id) else None
            self._write_row(status, with_earlier(text, earlier), {})
        except OSError as error:  # a full or read-only disk: what is there stays, the next launch continues from it
            text = f"the store cannot be written ({error.strerror or error}); {text}"
        progress = self._progress(self._run, status, Ending(reason, text), process_ends)
        self._let_go()
        return progress

    def _write_row(self, status: RunStatus, error: str | None, outcome: dict[str, Any]) -> None:
        step = self.store.steps_stored(self.run_id)
        training = describe_training(self.spec, step, self._begun, self._memory, self._run, self.settings)
        row = describe_run(self.spec, self.sweep) | training | outcome
        self.store.write_run(row := row | {"status": status, "error": error})
        self._tracking.finish(row)

    def _progress(
        self, run: Pretraining | None, status: RunStatus, ending: Ending | None = None, process_ends: bool = False
    ) -> Progress:
        step, steps = (run.step, run.steps) if run else (0, 0)
        latest = run.latest_percent_error() if run and not process_ends else math.nan
        skipped = describe_skipped(run.source.skipped) if run else ""
        notes = tuple(filter(None, [*self._notes, skipped and f"{self.spec.dataset.name}: {skipped}"]))
        collapse = self._collapse(run) if run and not process_ends else None
        rate = self._begun.images_per_second(step * self.spec.P)
        return Progress(status, step, steps, latest, rate, ending, notes, process_ends, collapse)

    def _collapse(self, run: Pretraining) -> RepresentationCollapse | None:
        """What the last steps say of the embeddings' rank."""
        spread = run.recent("uniformity") if run.step >= JUDGED_FROM * run.steps else math.nan
        return detect_collapse(spread, self.spec.P, self.spec.D)
