"""What a run's row says of its spec and of the code, machine and libraries that ran it."""

from __future__ import annotations

import contextlib
import functools
import json
import platform
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import torch

from mmcr_core.config.run import RunSpec, SpecError
from mmcr_core.config.run_id import run_id, spec_to_json
from mmcr_core.data.image_set import describe_skipped
from mmcr_core.models.networks import rank_bound
from mmcr_core.training import Pretraining
from mmcr_core.training.flops import flops_per_step
from sweeps.execution.checkpointing import RunStart
from sweeps.execution.executor_settings import ExecutorSettings
from sweeps.execution.peak_memory import PeakMemory
from sweeps.storage.schemas import SCHEMA_VERSION

RECORDED_VERSIONS = ("torch", "torchvision", "timm", "numpy", "ray", "pyarrow")
Number = TypeVar("Number", int, float)


def describe_run(spec: RunSpec, sweep: str) -> dict[str, Any]:
    """The columns of a run that follow from its spec and the code that runs it."""
    return {
        "run_id": run_id(spec),
        "sweep": sweep,
        "objective": spec.objective.name,
        "dataset": spec.dataset.name,
        "encoder": spec.encoder.name,
        "P": spec.P,
        "D": spec.D,
        "K": spec.K,
        "seed": spec.seed,
        "precision": spec.precision,
        "git_commit": git_commit(),
        "spec": spec_to_json(spec),
        "schema_version": SCHEMA_VERSION,
        "rank_bound": where_possible(rank_bound, spec),
    }


def describe_training(
    spec: RunSpec, step: int, begun: RunStart, memory: PeakMemory, run: Pretraining | None, settings: ExecutorSettings
) -> dict[str, Any]:
    """The columns of a run that has now ended after `step` steps that say what it took, and with what it ran."""
    flops = where_possible(flops_per_step, spec)
    return {
        "steps": step,
        "images": step * spec.P,
        "flops_per_step": None if flops is None else float(flops),
        "flops": None if flops is None else float(step * flops),
        "wall_seconds": begun.trained_seconds,
        "images_per_second": begun.images_per_second(step * spec.P),
        "peak_memory_bytes": memory.peak_bytes,
        "steady_memory_bytes": memory.steady_bytes,
        "dataset_images": run.source.available if run else None,
        "device": device_name(settings.device),
        "started_at": datetime.fromisoformat(begun.started_at),
        "finished_at": datetime.now(UTC),
        "versions": _versions(begun, run, settings),
    }


def _versions(begun: RunStart, run: Pretraining | None, settings: ExecutorSettings) -> str:
    """Library versions, what floating-point sums depend on, what was not as it should be, skipped images."""
    now = {
        "device": settings.device.split(":")[0],
        "devices": settings.devices,
        "threads": torch.get_num_threads(),
        "compiled": begun.compiled,
        "network_compiled": begun.network_compiled,
        "tf32": torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32,
    }
    now |= {"recomputed": True} if run and run.recomputed else {}
    notes = {"notes": begun.notes} if begun.notes else {}
    skipped = {"skipped": describe_skipped(run.source.skipped)} if run and run.source.skipped else {}
    return json.dumps({**installed_versions(), **now, **notes, **skipped})


def where_possible(measure: Callable[[RunSpec], Number], spec: RunSpec) -> Number | None:
    """What `measure` says of a spec; None where that needs a user's own code and it cannot be had here."""
    try:
        return measure(spec)
    except SpecError:
        return None


@functools.cache
def git_commit(root: Path = Path(__file__).parents[2]) -> str:
    """Commit of the code that runs, with `-dirty` where a source file of it was changed or added; `unknown` outside a
    checkout of it."""
    try:
        _git(root, "ls-files", "--error-unmatch", "sweeps/execution/run_metadata.py")
        changed = _git(root, "status", "--porcelain", "--", "mmcr_core/*.py", "sweeps/*.py")
        return _git(root, "describe", "--always", "--abbrev=40") + ("-dirty" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@functools.cache
def installed_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a result depends on."""
    found = {"python": platform.python_version()}
    for name in RECORDED_VERSIONS:
        with contextlib.suppress(PackageNotFoundError):  # one cell by itself runs without Ray
            found[name] = version(name)
    return found


def device_name(device: str) -> str:
    """The GPU's or the processor's own name."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device) if torch.cuda.is_available() else "a GPU elsewhere"
    return _processor()


def _processor() -> str:
    """The processor's own name on Linux, its architecture elsewhere."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
