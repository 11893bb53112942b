"""Timing of alternatives in turn, and how results are shown and kept."""

from __future__ import annotations

import json
import math
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from mmcr_core.config.defaults import run_spec
from mmcr_core.config.run import BudgetSpec, DatasetSpec, RunSpec
from mmcr_core.data.image_set import Images
from mmcr_core.objectives import objective_spec
from mmcr_core.training.device_timing import event_seconds
from sweeps.execution.run_metadata import device_name, git_commit, installed_versions

FOLDER = Path(__file__).parents[2] / "results" / "benchmarks"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
STRETCH_SECONDS = 0.05  # of GPU work
LEAST_CALLS = 5


def seconds_in_turn(alternatives: dict[str, Callable[[], Any]], seconds: float = 2.0) -> dict[str, float]:
    """Median seconds per call of each alternative. They take turns for about `seconds` in all (three rounds at least,
    after one that does not count): on a CPU call by call, on a GPU by stretches of calls between which nothing waits,
    as in a run."""
    counts = {name: _calls_per_stretch(call) for name, call in alternatives.items()}
    times: dict[str, list[float]] = {name: [] for name in alternatives}
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(next(iter(times.values()))) < 3:
        for name, call in alternatives.items():
            times[name].append(_seconds_per_call(call, counts[name]))
    return {name: statistics.median(values) for name, values in times.items()}


def _calls_per_stretch(call: Callable[[], Any]) -> int:
    """How many calls fill STRETCH_SECONDS of a GPU, LEAST_CALLS at least; it warms up as well."""
    call()
    if DEVICE == "cpu":
        return 1
    synchronize()
    return max(LEAST_CALLS, math.ceil(STRETCH_SECONDS / max(_seconds_per_call(call, LEAST_CALLS), 1e-6)))


def _seconds_per_call(call: Callable[[], Any], calls: int) -> float:
    def stretch() -> None:
        for _ in range(calls):
            call()

    if DEVICE == "cuda":
        call()  # the stretch is launched while this one runs
        return event_seconds(stretch, torch.device("cuda", torch.cuda.current_device())) / calls
    began = time.perf_counter()
    stretch()
    return (time.perf_counter() - began) / calls


def synchronize() -> None:
    """Wait for the GPU, where there is one."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def report(name: str, title: str, rows: list[dict[str, Any]]) -> None:
    """Print rows as a table and write results/benchmarks/NAME-DEVICE.json with hardware and versions."""
    print(f"{title}  [{device_name(DEVICE)}, {torch.get_num_threads()} threads]")
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.3g}".format, na_rep=""))
    FOLDER.mkdir(parents=True, exist_ok=True)
    content = {
        "benchmark": name,
        "title": title,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": device_name(DEVICE),
        "processor": platform.machine(),
        "threads": torch.get_num_threads(),
        "git_commit": git_commit(),
        "versions": installed_versions(),
        "rows": rows,
    }
    (FOLDER / f"{name}-{DEVICE}.json").write_text(json.dumps(content, indent=2) + "\n")


def stl10_cell(P: int, D: int, K: int, precision: str = "bf16", objective: str = "mmcr") -> RunSpec:
    """A cell of the paper's grid: ResNet-18, views of 64 pixels from images of 96."""
    dataset = DatasetSpec("stl10", split="train+unlabeled")
    steps = BudgetSpec(steps=10**6)
    return run_spec(dataset, P, D, K, steps, precision=precision, objective=objective_spec(objective))


def stl10_images(count: int = 2048) -> Images:
    """Random images of STL-10's shape: their content costs nothing and changes no timing."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 96, 3, 96), dtype=torch.uint8, generator=generator)
    labels = torch.zeros(count, dtype=torch.int64)
    return Images(pixels, labels, pixels[:2], labels[:2])
