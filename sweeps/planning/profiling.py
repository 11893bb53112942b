"""Measured cost of a cell's shape on a kind of device, kept in the user's cache folder for later plans."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import time
from dataclasses import asdict, dataclass
from typing import Any

import torch

from mmcr_core.config.run import RunSpec
from mmcr_core.config.run_id import canonical_json, identity
from mmcr_core.data import registry
from mmcr_core.data.content_digests import cache_folder
from mmcr_core.training import Pretraining, process_must_end
from mmcr_core.training.device_timing import event_seconds
from mmcr_core.training.optimizers import parameter_copies
from sweeps.execution.executor_settings import Progress, compiles, compiles_network
from sweeps.execution.peak_memory import FIRST_STEPS, PeakMemory
from sweeps.execution.run_metadata import device_name
from sweeps.execution.signals import StopFlag
from sweeps.monitoring.launch_outcome import Ending, StopReason
from sweeps.storage.filesystems import write_atomically
from sweeps.storage.run_status import RunStatus

MEASURED_SECONDS = 1.5
TRIAL_STEPS = 5
VERSION = 3  # of what is kept; raised where the same field would mean something else
NOT_SHAPE = ("seed", "budget", "optimizer")  # of a spec: they change no step's cost, of the last but its kind


@dataclass(frozen=True)
class Measured:
    """What a run of one shape costs: each step, its start once the data is loaded, all its measures, and its peak
    memory; on a GPU without that of the first steps."""

    seconds_per_step: float
    start_seconds: float
    measuring_seconds: float
    memory_bytes: int


def shape_key(spec: RunSpec, device: str, threads: int, compile: str, recomputed: bool = False) -> str:
    """What a measurement is kept under: the spec but for what costs nothing, the device, threads and torch."""
    shape = {key: value for key, value in identity(spec).items() if key not in NOT_SHAPE}
    shape["evaluate"] = asdict(spec.evaluate)
    shape["optimizer"] = spec.optimizer.name, parameter_copies(spec.optimizer)
    compiled = {"compiled": compiles(compile, device), "network_compiled": compiles_network(compile)}
    compiled |= {"recomputed": True} if recomputed else {}
    where = {"device": device_name(device), "threads": threads, **compiled, "torch": torch.__version__}
    return hashlib.sha256(canonical_json({**shape, **where, "version": VERSION}).encode()).hexdigest()[:24]


def lookup(spec: RunSpec, device: str, threads: int, compile: str, recomputed: bool = False) -> Measured | None:
    """The kept measurement of a cell's shape, if there is one."""
    try:
        file = cache_folder() / "steps" / f"{shape_key(spec, device, threads, compile, recomputed)}.json"
        return Measured(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError, RuntimeError):  # absent, or of no use
        return None


class ProfilingRun:
    """Stands where a `Trial` would: trains for a moment, writes to the cache and not to the store."""

    def __init__(self, spec: RunSpec, device: str, threads: int, compile: str, recomputed: bool = False) -> None:
        self._spec, self._shape = spec, (spec, device, threads, compile, recomputed)

    def advance(self, seconds: float, stop: StopFlag | None = None) -> Progress:
        """Measure and keep. A shape that cannot be run is left to its trial, which says why."""
        try:
            measured = measure(*self._shape)
        except Exception as error:  # the launch goes on: the cell itself will fail with this reason
            ending = Ending(StopReason.ERROR, f"{type(error).__name__}: {error}")
            return Progress(ending.status, 0, 0, math.nan, 0.0, ending, process_ends=process_must_end(error))
        content = json.dumps(asdict(measured)).encode()
        name = f"{shape_key(*self._shape)}.json"
        with contextlib.suppress(OSError, RuntimeError):  # without a cache it is measured again, and nothing worse
            write_atomically(cache_folder() / "steps" / name, content)
        return Progress(RunStatus.FINISHED, 0, 0, math.nan, self._spec.P / measured.seconds_per_step)

    def stop(self) -> None:
        """Nothing to keep."""


def measure(spec: RunSpec, device: str, threads: int, compile: str = "off", recomputed: bool = False) -> Measured:
    """Run a shape for a moment on `device` with `threads` CPU threads. Raises what the run raises.

    On a GPU, steps are timed by its own events, after every graph has been captured; memory is what was reserved after
    the first steps, graphs included.
    """
    memory = PeakMemory(device)
    memory.begin()
    registry.load(spec.dataset, device, spec.views.size)
    began = time.perf_counter()
    compiled, network_compiled = compiles(compile, device), compiles_network(compile)
    how: dict[str, Any] = {"compiled": compiled, "network_compiled": network_compiled, "recomputed": recomputed}
    run = Pretraining(spec, device, threads=threads, **how)
    start_seconds = time.perf_counter() - began
    _advance(run, FIRST_STEPS)
    if run.step >= FIRST_STEPS:
        memory.first_steps_end()
    _advance(run, 1)  # reserves anew
    seconds_per_step = (_gpu_seconds if memory.on_gpu else _cpu_seconds)(run)
    began = time.perf_counter()
    run.evaluate()
    measuring_seconds = (time.perf_counter() - began) * len(spec.evaluate.steps(run.steps))
    run.close()
    return Measured(seconds_per_step, start_seconds, measuring_seconds, memory.steady_bytes or memory.peak_bytes)


def _cpu_seconds(run: Pretraining) -> float:
    first, began = run.step, time.perf_counter()
    while run.step < run.steps and (run.step == first or time.perf_counter() - began < MEASURED_SECONDS):
        _advance(run, 1)
    return (time.perf_counter() - began) / max(1, run.step - first)


def _gpu_seconds(run: Pretraining) -> float:
    """A few steps say how many fill the time."""
    steps, per_step = TRIAL_STEPS, math.nan
    for _ in range(2):
        first, count = run.step, steps
        seconds = event_seconds(lambda count=count: _advance(run, count), run.device)  # type: ignore[misc]
        per_step = seconds / max(1, run.step - first)
        steps = math.ceil(MEASURED_SECONDS / max(per_step, 1e-6))
    return per_step


def _advance(run: Pretraining, steps: int) -> None:
    for _ in run.run(until=run.step + steps):
        pass
