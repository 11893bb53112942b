"""Measured cost of a cell's shape on a kind of device, kept in the user's cache folder for later plans."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from mmcr_core.spec import RunSpec, canonical_json, identity
from mmcr_core.training import Pretraining
from sweeps.running.resumable_trial import Progress
from sweeps.running.run_row import device_name, peak_memory_bytes
from sweeps.storage.files_and_urls import write_atomically

WARM_UP_STEPS = 5
MEASURED_SECONDS = 1.5
NOT_SHAPE = ("seed", "budget", "optimizer", "evaluate")  # of a spec: they change no step's cost


@dataclass(frozen=True)
class Measured:
    """What a run of one shape costs: each step, everything but its steps, and memory at its peak."""

    seconds_per_step: float
    other_seconds: float
    memory_bytes: int


def shape_key(spec: RunSpec, device: str, threads: int) -> str:
    """What a measurement is kept under: the spec but for what costs nothing, the device, threads and torch."""
    shape = {key: value for key, value in identity(spec).items() if key not in NOT_SHAPE}
    shape["probe"] = spec.evaluate.probe
    where = {"device": device_name(device), "threads": threads, "torch": torch.__version__}
    return hashlib.sha256(canonical_json({**shape, **where}).encode()).hexdigest()[:24]


def lookup(spec: RunSpec, device: str, threads: int) -> Measured | None:
    """The kept measurement of a cell's shape, if there is one."""
    file = _folder() / f"{shape_key(spec, device, threads)}.json"
    return Measured(**json.loads(file.read_text())) if file.exists() else None


class Calibration:
    """Stands where a `Trial` would: trains for a moment, writes to the cache and not to the store."""

    def __init__(self, spec: RunSpec, device: str, threads: int) -> None:
        self._spec, self._device, self._threads = spec, device, threads

    def advance(self, seconds: float) -> Progress:
        """Measure and keep. A shape that cannot be run is left to its trial, which says why."""
        try:
            measured = measure(self._spec, self._device, self._threads)
        except Exception as error:  # the launch goes on: the cell itself will fail with this reason
            return Progress("failed", 0, 0, float("nan"), 0.0, f"{type(error).__name__}: {error}")
        content = json.dumps(asdict(measured)).encode()
        write_atomically(_folder() / f"{shape_key(self._spec, self._device, self._threads)}.json", content)
        return Progress("finished", 0, 0, float("nan"), self._spec.P / measured.seconds_per_step)

    def stop(self) -> None:
        """Nothing to keep."""


def measure(spec: RunSpec, device: str, threads: int) -> Measured:
    """Run a shape for a moment on `device` with `threads` CPU threads. Raises what the run raises."""
    torch.set_num_threads(threads)
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    run = Pretraining(spec, device)
    start_seconds = time.perf_counter() - began
    for _ in run.run(until=WARM_UP_STEPS):
        pass
    first, began = run.step, time.perf_counter()
    while run.step < run.steps and (run.step == first or time.perf_counter() - began < MEASURED_SECONDS):
        for _ in run.run(until=run.step + 1):
            pass
        if on_gpu:
            torch.cuda.synchronize()
    taken = time.perf_counter() - began
    steps = max(1, run.step - first)
    began = time.perf_counter()
    run.evaluate()
    evaluate_seconds = time.perf_counter() - began
    return Measured(taken / steps, start_seconds + evaluate_seconds, peak_memory_bytes(device))


def _folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "mmcr-sweeps" / "steps"
