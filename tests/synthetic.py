"""A result store with known power laws and a known peak, written through the product's own store.

`python -m tests.synthetic FOLDER` writes the paper's 75 cells, to look at figures and reports.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import lfilter

from mmcr_core.config.defaults import run_spec
from mmcr_core.config.run import BudgetSpec, DatasetSpec, ObjectiveSpec, OptimizerSpec, RunSpec
from mmcr_core.config.run_id import canonical_json, run_id
from mmcr_core.objectives import objective_spec
from mmcr_core.theory.error import final_steps
from sweeps.storage.sweep_store import Store

PAPER = (64, 128, 256, 512, 1024)
FLOPS = 1e9  # of a step


def spec(P: int, D: int, K: int, seed: int = 0, learning_rate: float = 1e-3, steps: int = 2000) -> RunSpec:
    optimizer = OptimizerSpec(learning_rate=learning_rate)
    return run_spec(DatasetSpec("stl10"), P, D, K, BudgetSpec(steps=steps), seed=seed, optimizer=optimizer)


def exponent(P: int, D: int) -> float:
    """Shallower at P = D."""
    return 0.1 + 0.04 * min(2.0, abs(np.log2(P / D)))


def law(P: int, D: int, K: int, flops: np.ndarray) -> np.ndarray:
    """e = A x^(-alpha) with a peak at P = D: A falls with the distance from the diagonal."""
    height = 0.9 * 2.0 ** (-0.3 * abs(np.log2(P / D))) * (2 / K) ** 0.2
    return height * (flops / FLOPS) ** -exponent(P, D)


def noise(rng: np.random.Generator, steps: int, scale: float, correlation: float = 0.6) -> np.ndarray:
    """Autoregressive, of standard deviation `scale`."""
    white = rng.standard_normal(steps + 100)
    red: np.ndarray = lfilter([scale * np.sqrt(1 - correlation**2)], [1, -correlation], white)[100:]
    return red


def write_run(store: Store, run: RunSpec, curve: np.ndarray, *, status: str = "finished", **row: Any) -> str:
    """One run whose percent errors are `curve`, each step at 1e9 FLOPs; keywords replace columns of its row."""
    key, steps, error = run_id(run), len(curve), curve
    step = np.arange(steps)
    columns = {
        "step": step, "images": (step + 1) * run.P, "flops": (step + 1) * FLOPS, "percent_error": error,
        "nuclear_norm": (1 - error) * np.sqrt(run.P * min(run.P, run.D)), "loss": error - 1,
        "reconstruction": np.sqrt(1 - error), "uniformity": np.sqrt(1 - error), "learning_rate": np.full(steps, 1e-3),
    }  # fmt: skip
    for first in range(0, steps, 500):
        last = min(first + 500, steps) - 1
        store.write_chunk(key, first, last, {name: column[first : last + 1] for name, column in columns.items()})
    last = error[-final_steps(steps) :]
    tail, factor = (float(last.mean()), float(np.sqrt(1 - last).mean())) if status == "finished" else (None, None)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    described = {
        "run_id": key, "sweep": store.root.name, "objective": "mmcr", "dataset": "stl10", "encoder": "resnet18",
        "P": run.P, "D": run.D, "K": run.K, "seed": run.seed, "precision": "fp32", "steps": steps,
        "images": steps * run.P, "flops_per_step": FLOPS, "flops": steps * FLOPS, "status": status,
        "percent_error": tail, "heldout_percent_error": tail, "reconstruction": factor, "uniformity": factor,
        "probe_accuracy": 0.5, "wall_seconds": 10.0, "images_per_second": steps * run.P / 10.0,
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
    scale: float = 0.0125,
    curve: Callable[[int, int, int, np.ndarray], np.ndarray] = law,
    between: float = 0.0,
    draw: int = 0,
) -> Store:
    """A grid of runs that follow `curve` with multiplicative, autocorrelated noise of standard deviation `scale`.
    `between`: how much the levels of seeds differ, in logs; `draw`: seed of all this noise."""
    store, rng = Store(root), np.random.default_rng(draw)
    for P in sizes:
        for D in sizes:
            for K in views:
                for seed in seeds:
                    level = between * rng.standard_normal()
                    error = curve(P, D, K, np.arange(1, steps + 1) * FLOPS) * np.exp(level + noise(rng, steps, scale))
                    write_run(store, spec(P, D, K, seed, steps=steps), error)
    return store


def pairs_objective(name: str, clip_weight: float = 0.0) -> ObjectiveSpec:
    """An objective on image-text pairs."""
    return objective_spec(name, **({"clip_weight": clip_weight} if clip_weight else {}))


def pairs_accuracy(objective: str, P: int) -> float:
    """Zero-shot top-1 of objectives on pairs: mmcr falls and clip rises with log P, and they cross at P = 256."""
    octaves = float(np.log2(P / 256))
    return {"mmcr": 0.5 - 0.03 * octaves, "clip": 0.5 + 0.04 * octaves}.get(objective, 0.45 + 0.02 * octaves)


def write_pairs(
    store: Store, objective: ObjectiveSpec, P: int, D: int = 64, seed: int = 0, images: int = 8192,
    spread: float = 0.005, left_out: tuple[str, ...] = (),
) -> str:  # fmt: skip
    """A run on image-text pairs with what such runs measure at their end, but for names that begin as in `left_out`."""
    run = run_spec(DatasetSpec("glyphs"), P, D, 2, BudgetSpec(images=images), seed=seed)
    run = dataclasses.replace(run, objective=objective)
    key, steps = run_id(run), images // P
    top = pairs_accuracy(objective.name, P) + getattr(objective, "clip_weight", 0.0) / 50
    top += spread * float(np.random.default_rng([seed, P, *map(ord, key)]).standard_normal())
    found = {"zero_shot_top1": top, "zero_shot_top5": 0.5 + top / 2, "modality_gap": 1.2 - top}
    for way, off in (("image_to_text_recall", 0.02), ("text_to_image_recall", -0.02)):
        found |= {f"{way}_{rank}": off + top * rank**0.3 * 0.6 for rank in (1, 5, 10)}
    write_run(store, run, np.full(steps, 1 - top), objective=objective.name, dataset="glyphs", images=steps * P)
    rows = [
        {"name": name, "subject": "glyphs" if name.startswith("zero_shot") else "", "value": value, "low": value - 0.02,
         "high": value + 0.02, "images": steps * P, "flops": steps * FLOPS, "count": 446}
        for name, value in found.items() if not name.startswith(left_out)
    ]  # fmt: skip
    store.write_measures(key, steps, rows)
    return key


if __name__ == "__main__":
    write_sweep(Path(sys.argv[1]), PAPER, (2, 4, 8))
