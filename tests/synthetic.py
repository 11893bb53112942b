"""A result store with known power laws and a known peak, written through the product's own store."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from mmcr_core.spec import (
    VIEW_RECIPES,
    BudgetSpec,
    DatasetSpec,
    EncoderSpec,
    EvaluateSpec,
    ObjectiveSpec,
    OptimizerSpec,
    ProjectorSpec,
    RunSpec,
    canonical_json,
    run_id,
)
from sweeps.store import Store


def spec(P: int, D: int, K: int, seed: int = 0, learning_rate: float = 1e-3, steps: int = 2000) -> RunSpec:
    return RunSpec(
        ObjectiveSpec(), DatasetSpec("stl10"), EncoderSpec(), ProjectorSpec(), P, D, K, seed, BudgetSpec(steps=steps),
        OptimizerSpec(learning_rate=learning_rate), VIEW_RECIPES["stl10"], "fp32", EvaluateSpec(),
    )  # fmt: skip


def exponent(P: int, D: int) -> float:
    """Shallower at P = D."""
    return 0.1 + 0.04 * min(2.0, abs(np.log2(P / D)))


def law(P: int, D: int, K: int, flops: np.ndarray) -> np.ndarray:
    """e = A x^(-alpha) with a peak at P = D: A falls with the distance from the diagonal."""
    height = 0.9 * 2.0 ** (-0.3 * abs(np.log2(P / D))) * (2 / K) ** 0.2
    return height * (flops / 1e9) ** -exponent(P, D)


def write_run(store: Store, run: RunSpec, curve: np.ndarray, *, status: str = "finished", **row: Any) -> str:
    """One run whose percent errors are `curve`, each step at 1e9 FLOPs; keywords replace columns of its row."""
    key, steps, error = run_id(run), len(curve), curve
    step = np.arange(steps)
    columns = {
        "step": step, "images": (step + 1) * run.P, "flops": (step + 1) * 1e9, "percent_error": error,
        "nuclear_norm": (1 - error) * np.sqrt(run.P * min(run.P, run.D)), "loss": error - 1,
        "reconstruction": np.sqrt(1 - error), "uniformity": np.sqrt(1 - error), "learning_rate": np.full(steps, 1e-3),
    }  # fmt: skip
    for first in range(0, steps, 500):
        last = min(first + 500, steps) - 1
        store.write_chunk(key, first, last, {name: column[first : last + 1] for name, column in columns.items()})
    tail = float(error[-max(1, round(0.05 * steps)) :].mean()) if status == "finished" else None
    now = datetime(2026, 1, 1, tzinfo=UTC)
    described = {
        "run_id": key, "sweep": store.root.name, "objective": "mmcr", "dataset": "stl10", "encoder": "resnet18",
        "P": run.P, "D": run.D, "K": run.K, "seed": run.seed, "precision": "fp32", "steps": steps,
        "images": steps * run.P, "flops_per_step": 1e9, "flops": steps * 1e9, "status": status, "percent_error": tail,
        "heldout_percent_error": tail, "probe_accuracy": 0.5, "wall_seconds": 10.0, "images_per_second": 100.0,
        "device": "synthetic", "started_at": now, "finished_at": now, "git_commit": hashlib.sha1(b"x").hexdigest(),
        "versions": json.dumps({"torch": "2"}), "spec": canonical_json(dataclasses.asdict(run)), "schema_version": 1,
    }  # fmt: skip
    store.write_run(described | row)
    return key


def write_sweep(
    root: Path,
    sizes: tuple[int, ...] = (64, 128, 256),
    views: tuple[int, ...] = (2, 4),
    seeds: tuple[int, ...] = (0,),
    steps: int = 2000,
    noise: float = 0.01,
) -> Store:
    """A grid of runs that follow `law` with multiplicative, autocorrelated noise."""
    store, rng = Store(root), np.random.default_rng(0)
    for P in sizes:
        for D in sizes:
            for K in views:
                for seed in seeds:
                    white = rng.standard_normal(steps)
                    red = np.convolve(white, 0.6 ** np.arange(min(10, steps)), mode="same") * noise
                    error = law(P, D, K, np.arange(1, steps + 1) * 1e9) * np.exp(red)
                    write_run(store, spec(P, D, K, seed, steps=steps), error)
    return store
