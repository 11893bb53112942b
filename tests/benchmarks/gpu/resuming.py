"""Through the executor and a store: a run killed in mid-chunk and resumed, and what a cell leaves to the next one.

On a GPU cuDNN chooses its plans by timing, so that another process need not give the same bits.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from mmcr_core.config.defaults import run_spec
from mmcr_core.config.run import BudgetSpec, DatasetSpec, EvaluateSpec, RunSpec
from mmcr_core.data import registry
from sweeps.execution.run_executor import RunExecutor
from sweeps.storage.run_status import RunStatus
from sweeps.storage.sweep_store import Store
from tests.benchmarks.gpu.rows import Row
from tests.benchmarks.gpu.specs import SMALL, allocated, difference, image_file, trial_settings
from tests.benchmarks.gpu.stage import Setting, Tasks

STEPS, SAVED, KILLED = 60, 25, 33  # of a run of one chunk: its length, its checkpoint, its end by SIGKILL
LAUNCH = "resuming"
LEFT_BYTES = 2 << 20


def tasks(setting: Setting) -> Tasks:
    return {
        "killed in mid-chunk and resumed": lambda: [killed_and_resumed(setting)],
        "memory left by a cell": lambda: memory_left(setting),
    }


def run_of(setting: Setting, **changes: object) -> RunSpec:
    """ResNet-18 on 64-pixel images in bf16; the convnet in a rehearsal."""
    dataset = DatasetSpec("parquet", path=str(image_file(setting)))
    dataset = replace(dataset, digest=registry.content_digest(dataset))
    P, small = (64, {}) if setting.real else (8, SMALL)
    base = {"P": P, "D": P, "K": 2, "budget": BudgetSpec(steps=STEPS), "precision": "bf16"}
    return run_spec(dataset, **(base | small | {"evaluate": EvaluateSpec(2, "knn")} | changes))  # type: ignore[arg-type]


def trial(setting: Setting, spec: RunSpec, store: str) -> RunExecutor:
    return RunExecutor(spec, Store(Path(setting.work) / store), "resuming", trial_settings(setting), launch=LAUNCH)


def finish(trial: RunExecutor) -> list[float]:
    """Percent error of each step, once the run has ended."""
    while (progress := trial.advance(1.0)).status is RunStatus.RUNNING:
        pass
    if progress.status is not RunStatus.FINISHED:
        raise RuntimeError(f"{progress.status}: {progress.error}")
    return [float(error) for error in trial.store.read_trajectory(trial.run_id)["percent_error"]]


def killed_and_resumed(setting: Setting) -> Row:
    spec = run_of(setting)
    command = [sys.executable, "-m", "tests.benchmarks.gpu.resuming", setting.to_json()]
    died = subprocess.run(command, check=False, timeout=max(1.0, setting.seconds_left())).returncode
    resumed = trial(setting, spec, "killed")
    step = resumed.store.checkpointed_step(resumed.run_id)
    errors, whole = finish(resumed), finish(trial(setting, spec, "whole"))
    off, before = difference(errors, whole), difference(errors[:SAVED], whole[:SAVED])
    return {
        "found": f"{off:.2g} at most ({before:.2g} before step {SAVED}), bits {'agree' if off == 0 else 'differ'}",
        "wanted": f"SIGKILL, a checkpoint of step {SAVED}, percent error within 0.02",
        "holds": died == -signal.SIGKILL and step == SAVED and off <= 0.02,
        "bits_agree": off == 0,
    }


def memory_left(setting: Setting) -> Iterator[Row]:
    """Two different cells one after another in this process; what is left of each beside the images."""
    first = run_of(setting)
    registry.load(first.dataset, setting.device)
    before = allocated(setting)
    for spec in (first, run_of(setting, P=first.P * 2, D=16, K=4)):
        finish(trial(setting, spec, "memory"))
        left = allocated(setting) - before
        yield {
            "found": f"{left:,} bytes after P = {spec.P}, D = {spec.D}, K = {spec.K}",
            "wanted": f"0, {LEFT_BYTES:,} at most",
            "holds": left <= LEFT_BYTES,
        }


def main() -> None:
    """The process that is killed: a checkpoint, some steps more, and SIGKILL."""
    setting = Setting(**json.loads(sys.argv[1]))
    victim = trial(setting, run_of(setting), "killed")
    torch.set_num_threads(1)
    while (progress := victim.advance(0.0)).status is RunStatus.RUNNING:  # a step at a time
        if progress.step == SAVED:
            victim.save()
        if progress.step == KILLED:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.exit(f"it was not killed: {progress}")


if __name__ == "__main__":
    main()
