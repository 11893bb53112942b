"""What runs on a node: Tune's view of a `Trial`, and the check that the node has the driver's code."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.tune import Trainable

import mmcr_core
from mmcr_core import custom_imports
from sweeps.config.settings import GridSettings
from sweeps.execution.executor_settings import ExecutorSettings, Progress
from sweeps.execution.run_executor import RunExecutor
from sweeps.execution.run_metadata import installed_versions
from sweeps.execution.signals import STOPS, StopFlag
from sweeps.planning.plan import Cell
from sweeps.planning.profiling import ProfilingRun
from sweeps.storage.decisions import StoredDecision
from sweeps.storage.filesystems import is_local
from sweeps.storage.run_status import RunStatus
from sweeps.storage.sweep_store import Store

SLICE_SECONDS = 1.0  # of training between two reports of a trial


@dataclass(frozen=True)
class Job:
    """What the driver tells every worker of a launch."""

    cells: dict[str, Cell]
    settings: GridSettings
    root: str
    launch: str
    code: dict[str, str]
    environment: dict[str, str]  # what a worker's has too, unless it has its own
    calibrate: bool = False
    folders: tuple[str, ...] = ()  # where a user's own objectives and encoders lie


class OtherCode(RuntimeError):
    """A node has other code than the driver: the sweep would mix results."""


class CellTrainable(Trainable):  # type: ignore[misc]
    """Tune's view of the runs of a trial, one after the other: each `step` trains for a slice of time and reports where
    those stand that were trained in it."""

    def setup(self, config: dict[str, Any], job: Any = None) -> None:
        self._other_code = other_code(job.code)
        self._trial: RunExecutor | ProfilingRun | None = None
        custom_imports.look_in(*job.folders)
        for name, value in job.environment.items():
            os.environ.setdefault(name, value)
        self._job: Job = job
        self._process_ends = False
        self._stop, self._working = StopFlag(), threading.Lock()
        self._begin(config)
        self._stop.catch(*STOPS)
        self._stop.then(self._leave)

    def reset_config(self, config: dict[str, Any]) -> bool:
        if self._process_ends:
            os._exit(1)  # Ray starts a fresh process for the next cell
        self._begin(config)
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        self._waiting = list(config["run_ids"])
        self._devices = float(config["gpu"] or config["cpu"])
        self._decision = StoredDecision(**config["decision"]) if "decision" in config else None
        self._next()

    def _next(self) -> None:
        """Prepare the next of the trial's cells."""
        self._run_id = self._waiting.pop(0)
        job, cell = self._job, self._job.cells[self._run_id]
        device, threads = "cuda" if cell.gpus > 0 else "cpu", cell.threads
        if self._other_code:
            return  # `step` says so
        if job.calibrate:
            self._trial = ProfilingRun(
                cell.spec, device, threads, job.settings.compile, job.settings.memory == "recompute"
            )
            return
        settings = ExecutorSettings.of(job.settings, device, threads, cell.continues, self._devices)
        self._trial = RunExecutor(
            cell.spec, Store(job.root), job.settings.name, settings, launch=job.launch, decision=self._decision
        )

    def step(self) -> dict[str, Any]:
        if self._trial is None:
            raise OtherCode(self._other_code)
        told, until = [], time.monotonic() + SLICE_SECONDS
        with self._working:
            while True:
                progress = self._advance(self._trial, until - time.monotonic())
                told.append((self._run_id, progress))
                self._process_ends = progress.process_ends
                ended = progress.status is not RunStatus.RUNNING
                done = ended and (self._process_ends or not self._waiting)
                if ended and not done:
                    self._next()
                if done or not ended or self._stop.stopped or time.monotonic() >= until:
                    return {"progress": told, "done": done}

    def _advance(self, trial: RunExecutor | ProfilingRun, seconds: float) -> Progress:
        if isinstance(trial, RunExecutor) and is_local(trial.store.root) and not trial.store.launched():
            return trial.abandon()
        return trial.advance(seconds, stop=self._stop)

    def _leave(self) -> None:
        """Preempted: the checkpoint is worth more than an orderly farewell."""
        with self._working:  # a step that runs ends first
            if self._trial:
                self._trial.stop()
            os._exit(1)

    def cleanup(self) -> None:
        with self._working:
            if self._trial:
                self._trial.stop()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Tune asks before it moves a trial; the store's own checkpoints are the ones that count."""
        with self._working:
            if isinstance(self._trial, RunExecutor):
                self._trial.save()

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing of Tune's to load: `Trial` starts from the store's newest checkpoint."""


def code_version() -> dict[str, str]:
    """What must be the same on every node: library versions, and a digest of this project's own code."""
    root, digest = Path(mmcr_core.__file__).parents[1], hashlib.sha256()
    for package in ("mmcr_core", "sweeps"):
        for file in sorted((root / package).rglob("*.py")):
            digest.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    return {**installed_versions(), "mmcr-sweeps code": digest.hexdigest()[:12]}


def other_code(driver: dict[str, str]) -> str:
    """What of this node's code is not the driver's, and the remedy; empty where all is the same."""
    here = code_version()
    differing = [
        f"{name} {here.get(name)} (driver: {driver[name]})" for name in driver if here.get(name) != driver[name]
    ]
    if not differing:
        return ""
    return f"node {socket.gethostname()} has {', '.join(differing)}; install the same on every node"
