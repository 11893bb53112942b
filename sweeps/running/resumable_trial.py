"""One run, from its newest valid checkpoint (or nothing) to its row in the store. Needs no Ray.

A trial is advanced a slice of seconds at a time, so that whoever drives it can watch, checkpoint and stop it;
how it is sliced changes no number.
"""

from __future__ import annotations

import io
import json
import math
import socket
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import torch

from mmcr_core.images.datasets import DatasetError, describe_skipped
from mmcr_core.spec import RunSpec, run_id
from mmcr_core.training import Diverged, Pretraining
from mmcr_core.training.flops import flops_per_step
from sweeps.running.run_row import describe_run, device_name, installed_versions, peak_memory_bytes
from sweeps.running.tensorboard import Board
from sweeps.storage.sweep_store import Store

TAIL = 0.05  # `percent_error` of a run is the mean over this last share of its steps
MAX_REASON = 4000  # characters of a run's reasons, the latest first
CHECKPOINT_SHARE = 0.02  # of the time, at most, goes into checkpoints


@dataclass(frozen=True)
class Progress:
    """Where a trial stands. `status` is running, finished, failed, diverged, or left (to another launch)."""

    status: str
    step: int
    steps: int
    percent_error: float
    images_per_second: float
    error: str | None = None
    notes: tuple[str, ...] = ()


class Trial:
    """A run of `spec` in `store`, trained on `device` with `threads` CPU threads, for the launch `launch`.

    A checkpoint is written every `checkpoint_seconds`, or less often where writing one takes more than
    CHECKPOINT_SHARE of that time.
    """

    def __init__(
        self,
        spec: RunSpec,
        store: Store,
        sweep: str,
        *,
        launch: str = "",
        device: str = "cpu",
        threads: int = 1,
        checkpoint_seconds: float = 60.0,
        keep_checkpoint: bool = False,
        tensorboard: bool = False,
    ) -> None:
        self.spec, self.store, self.sweep = spec, store, sweep
        self.run_id = run_id(spec)
        self.device, self.threads = device, threads
        self._checkpoint_seconds, self._keep = checkpoint_seconds, keep_checkpoint
        self._begun: dict[str, Any] = {
            "started_at": datetime.now(UTC).isoformat(),
            "threads": threads,
            "device": device,
        }
        self._trained_seconds = 0.0
        self._next_checkpoint = time.monotonic() + checkpoint_seconds
        self._slice = 1
        self._run: Pretraining | None = None
        self._claim = store.claim(self.run_id, launch or uuid.uuid4().hex)
        self._claimed = False
        self._notes: list[str] = []
        self._tensorboard = tensorboard
        self._board: Board | None = None

    def advance(self, seconds: float) -> Progress:
        """Train for about `seconds`; at the end, evaluate and write the run's row.

        An exception in the run becomes a row with status `failed`, so that the sweep's other cells go on. A
        cell that another launch is training is `left` to it.
        """
        try:
            if not self._claimed:
                if (owner := self._claim.take()) is not None:
                    reason = f"left to the launch that trains it, process {owner.pid} on {owner.machine.split()[0]}"
                    return self._progress(None, "left", reason)
                self._claimed = True
                if self.store.status(self.run_id) == "finished":  # by that launch, just before
                    self._claim.release()
                    return self._progress(None, "finished")
            run = self._run = self._run or self._start()
            until = time.monotonic() + seconds
            while run.step < run.steps:
                if self._claim.lost:
                    self._run = None
                    return self._progress(None, "left", "another launch has taken this cell over")
                self._train_slice(run, seconds)
                if time.monotonic() >= until:
                    break
            if run.step < run.steps:
                return self._progress(run, "running")
            self._finish(run)
            progress = self._progress(run, "finished")
            self._let_go()
            return progress
        except Diverged as error:
            return self._end("diverged", str(error))
        except DatasetError as error:  # data lies on each node
            return self._end("failed", f"DatasetError on node {socket.gethostname()}: {error}")
        except Exception as error:  # whatever a cell raises is that cell's result
            return self._end("failed", f"{type(error).__name__}: {error}")

    def stop(self) -> None:
        """Leave the run where it is: a last checkpoint, and the claim given back."""
        self.save()
        self._let_go()

    def _let_go(self) -> None:
        self._run = None
        if self._board:
            self._board.close()
            self._board = None
        self._claim.release()

    def save(self) -> None:
        """Write a checkpoint now, if the run has started and has not ended."""
        run = self._run
        if run is None or run.step == 0 or self._claim.lost:
            return
        began = time.monotonic()
        stream = io.BytesIO()
        begun = {**self._begun, "trained_seconds": self._trained_seconds}
        torch.save({"run_id": self.run_id, "begun": begun, "run": run.state_dict()}, stream)
        self.store.write_checkpoint(self.run_id, run.step, stream.getvalue())
        now = time.monotonic()
        self._next_checkpoint = now + max(self._checkpoint_seconds, (now - began) / CHECKPOINT_SHARE)

    def _start(self) -> Pretraining:
        state = self._newest_state()
        if state is not None:
            self._begun = {key: state["begun"][key] for key in ("started_at", "threads", "device")}
            self._trained_seconds = state["begun"]["trained_seconds"]
        else:
            self.store.drop_trajectory(self.run_id)
        torch.set_num_threads(int(self._begun["threads"]))  # sums depend on it: a resumed run keeps its own
        if self.device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats()
        run = Pretraining(self.spec, self.device)
        if state is not None:
            run.load_state_dict(state["run"])
        if self._tensorboard:
            self._board = Board(self.store.root / "tensorboard" / self.run_id, run.step)
        return run

    def _newest_state(self) -> dict[str, Any] | None:
        """The newest checkpoint that is whole and this run's; each one passed over is noted."""
        for name, payload in self.store.read_checkpoints(self.run_id):
            if payload is None:
                self._notes.append(f"checkpoint {name} of run {self.run_id} is damaged and was passed over")
                continue
            state: dict[str, Any] = torch.load(io.BytesIO(payload), map_location=self.device, weights_only=True)
            if state["run_id"] == self.run_id:
                return state
            self._notes.append(f"checkpoint {name} of run {self.run_id} is another run's and was passed over")
        return None

    def _train_slice(self, run: Pretraining, seconds: float) -> None:
        """Some steps, about a quarter of `seconds` of them, with their chunks and, when due, a checkpoint."""
        began, first = time.monotonic(), run.step
        for chunk in run.run(until=run.step + self._slice):
            self.store.write_chunk(self.run_id, chunk.step_first, chunk.step_last, chunk.columns)
            if self._board:
                self._board.add(chunk)
        taken = time.monotonic() - began
        self._trained_seconds += taken
        per_step = taken / max(1, run.step - first)
        self._slice = max(1, min(4 * self._slice, int(seconds / 4 / per_step)))
        if time.monotonic() > self._next_checkpoint:
            self.save()

    def _finish(self, run: Pretraining) -> None:
        if self.store.steps_stored(self.run_id) != run.steps:
            self.store.drop_checkpoints(self.run_id)
            raise RuntimeError("its trajectory in the store is incomplete; launch again to train it anew")
        evaluation = run.evaluate()
        trajectory = self.store.read_trajectory(self.run_id)
        tail = trajectory.tail(max(1, round(TAIL * run.steps)))
        means = {name: float(tail[name].mean()) for name in ("percent_error", "reconstruction", "uniformity")}
        self._write_row(run, "finished", None, means | evaluation)
        if self._keep:
            self.save()
        else:
            self.store.drop_checkpoints(self.run_id)

    def _end(self, status: str, reason: str) -> Progress:
        try:
            if status == "diverged":  # it would diverge again from there
                self.store.drop_checkpoints(self.run_id)
            earlier = self.store.read_run(self.run_id)["error"] if self.store.status(self.run_id) else None
            kept = f"{reason} | earlier: {earlier}"[:MAX_REASON] if earlier else reason
            self._write_row(self._run, status, kept, {})
        except OSError as error:  # a full or read-only disk: what is there stays, the next launch goes on from it
            reason = f"the store cannot be written ({error.strerror or error}); {reason}"
        progress = self._progress(self._run, status, reason)
        self._let_go()
        return progress

    def _write_row(self, run: Pretraining | None, status: str, error: str | None, outcome: dict[str, Any]) -> None:
        step = self.store.steps_stored(self.run_id)
        cost = {
            "steps": step,
            "images": step * self.spec.P,
            "flops_per_step": float(flops_per_step(self.spec)),
            "flops": float(step * flops_per_step(self.spec)),
            "wall_seconds": self._trained_seconds,
            "images_per_second": self._images_per_second(step),
            "peak_memory_bytes": peak_memory_bytes(self.device),
        }
        begun = {
            "device": device_name(self.device),
            "started_at": datetime.fromisoformat(self._begun["started_at"]),
            "finished_at": datetime.now(UTC),
        }
        self.store.write_run(
            describe_run(self.spec, self.sweep)
            | outcome
            | cost
            | begun
            | {"status": status, "error": error, "versions": self._versions(run)}
        )

    def _versions(self, run: Pretraining | None) -> str:
        """Library versions, what floating-point sums depend on (device type and threads), skipped images."""
        now = {"device": self.device.split(":")[0], "threads": torch.get_num_threads()}
        began = {"device": self._begun["device"].split(":")[0], "threads": self._begun["threads"]}
        changed = {} if now == began else {"began_with": began}
        skipped = {"skipped": describe_skipped(run.images.skipped)} if run and run.images.skipped else {}
        return json.dumps({**installed_versions(), **now, **changed, **skipped})

    def _progress(self, run: Pretraining | None, status: str, error: str | None = None) -> Progress:
        step, steps = (run.step, run.steps) if run else (0, 0)
        latest = run.latest_percent_error() if run else math.nan
        skipped = describe_skipped(run.images.skipped) if run else ""
        notes = tuple(filter(None, [*self._notes, skipped and f"{self.spec.dataset.name}: {skipped}"]))
        return Progress(status, step, steps, latest, self._images_per_second(step), error, notes)

    def _images_per_second(self, step: int) -> float:
        return step * self.spec.P / self._trained_seconds if self._trained_seconds else 0.0
