"""Runs that are killed at random moments of their training, each time in a process of its own."""

from __future__ import annotations

import contextlib
import os
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from mmcr_core.config.run import RunSpec
from mmcr_core.training import pretraining
from sweeps.execution import checkpointing
from sweeps.execution.executor_settings import ExecutorSettings
from sweeps.execution.run_executor import RunExecutor
from sweeps.storage.sweep_store import Store
from tests.forks import FORKS


def train(spec: RunSpec, root: Path, chunk: int, reports: Connection, environment: dict[str, str]) -> None:
    """What a process does: go on with a run in chunks of `chunk` steps, and report each slice, at last the status."""
    os.environ.update(environment)
    pretraining.CHUNK_STEPS = checkpointing.CHUNK_STEPS = chunk
    trial = RunExecutor(spec, Store(root), "s", ExecutorSettings(checkpoint_seconds=0.02))
    while (progress := trial.advance(0.02)).status == "running":
        reports.send(progress.step)
    reports.send(progress.status)


def killed_until_done(spec: RunSpec, folder: Path, rng: np.random.Generator, kills: int, chunk: int = 500) -> Store:
    """Run a trial, in chunks of `chunk` steps, in its own process and SIGKILL it `kills` times, each after a random
    number of reports."""
    last = None
    for attempt in range(kills + 1):
        reports, sent = FORKS.Pipe(duplex=False)
        child = FORKS.Process(target=train, args=(spec, folder / "store", chunk, sent, dict(os.environ)))
        child.start()
        sent.close()
        awaited = int(rng.integers(1, 12)) if attempt < kills else 10**9
        with contextlib.suppress(EOFError):
            while True:
                last = reports.recv()
                awaited -= 1
                if awaited <= 0:
                    time.sleep(float(rng.uniform(0, 0.03)))  # anywhere inside a slice, a chunk or a checkpoint
                    child.kill()
        child.join()
    assert last == "finished"
    return Store(folder / "store")
