"""A store of many finished runs, written as files and not by training: 25 cells, as many seeds as it takes.

`python -m tests.benchmarks.many_runs FOLDER COUNT` writes it to keep; `large_store` measures the commands on it.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from mmcr_core.config.run import RunSpec
from mmcr_core.config.run_id import run_id, spec_to_json
from mmcr_core.evaluation.evaluate import requested_measures
from mmcr_core.training.flops import flops_per_step
from sweeps.config.grid_file import load_grid
from sweeps.storage.chunks import chunk_name
from sweeps.storage.schemas import CELL_SCHEMA, MEASURE_SCHEMA, RUN_SCHEMA, TRAJECTORY_SCHEMA, parquet_bytes
from tests.synthetic import law, noise

SIZES = [16, 32, 64, 128, 256]
STEPS = 1800
GRID = """name: many
objective: mmcr
dataset: digits
encoder: convnet
P: {sizes}
D: {sizes}
K: 2
seed: {seeds}
budget: {{steps: {steps}}}
evaluate: {{heldout_batches: 1, probe: none}}
"""


def write_store(folder: Path, count: int) -> Path:
    """A grid file `folder/many.yaml` of `count` cells (a multiple of 25) with its store `folder/many`, all finished;
    each run has one to three chunks. The path of the grid."""
    grid = folder / "many.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    grid.write_text(GRID.format(sizes=SIZES, seeds=list(range(count // len(SIZES) ** 2)), steps=STEPS))
    store, cells = folder / "many", load_grid(grid).cells
    rng = np.random.default_rng(0)
    costs = {(cell.P, cell.D): float(flops_per_step(cell)) for cell in cells[:: max(1, count // 25)]}
    for number, cell in enumerate(cells):
        per_step = costs.setdefault((cell.P, cell.D), float(flops_per_step(cell)))
        _write_run(store, cell, 1 + number % 3, per_step, rng)
    rows = [{"run_id": run_id(cell), **_numbers(cell), "steps": STEPS, "spec": spec_to_json(cell)} for cell in cells]
    _write(store / "cells.parquet", rows, CELL_SCHEMA)
    (store / "grid.yaml").write_text(grid.read_text())
    return grid


def _numbers(cell: RunSpec) -> dict[str, int]:
    return {"P": cell.P, "D": cell.D, "K": cell.K, "seed": cell.seed}


def _write_run(store: Path, cell: RunSpec, chunks: int, per_step: float, rng: np.random.Generator) -> None:
    key, step = run_id(cell), np.arange(STEPS)
    flops = (step + 1) * per_step
    level = 0.02 * rng.standard_normal()
    error = law(cell.P, cell.D, cell.K, (step + 1) * 1e9) * np.exp(level + noise(rng, STEPS, 0.0125))
    error = error.astype(np.float32).astype(float)
    factor = np.sqrt(1 - error).astype(np.float32).astype(float)
    columns = {
        "step": step, "images": (step + 1) * cell.P, "flops": flops, "percent_error": error,
        "nuclear_norm": (1 - error) * np.sqrt(cell.P * min(cell.P, cell.D)), "loss": error - 1,
        "reconstruction": factor, "uniformity": factor, "learning_rate": np.full(STEPS, 1e-3),
    }  # fmt: skip
    for part in np.array_split(step, chunks):
        table = pa.table(
            {"run_id": [key] * len(part), **{name: values[part] for name, values in columns.items()}},
            schema=TRAJECTORY_SCHEMA,
        )
        file = store / "trajectories" / key / chunk_name(int(part[0]), int(part[-1]))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(parquet_bytes(table))
    done = {"run_id": key, "step": STEPS, "images": STEPS * cell.P, "flops": float(flops[-1])}
    tail = float(error[-90:].mean())
    found = {"value": tail, "low": tail, "high": tail, "count": 1}
    measures = [
        {**done, "name": name, "subject": subject, **found, "count": max(asked.count, 1), "digest": asked.digest}
        for (name, subject), asked in requested_measures(cell).items()
    ]
    _write(store / "measures" / key / f"{STEPS:08d}.parquet", measures, MEASURE_SCHEMA)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    row = {
        "run_id": key, "sweep": "many", "objective": "mmcr", "dataset": "digits", "encoder": "convnet",
        **_numbers(cell), "precision": "fp32", "steps": STEPS, "images": STEPS * cell.P, "flops_per_step": per_step,
        "flops": float(flops[-1]), "status": "finished", "percent_error": tail, "heldout_percent_error": tail,
        "reconstruction": float(factor[-90:].mean()), "uniformity": float(factor[-90:].mean()), "wall_seconds": 4.0,
        "images_per_second": STEPS * cell.P / 4.0, "device": "synthetic", "started_at": now, "finished_at": now,
        "git_commit": "0" * 40, "versions": json.dumps({"torch": "2"}), "spec": spec_to_json(cell),
        "schema_version": 1,
    }  # fmt: skip
    _write(store / "runs" / f"{key}.parquet", [{name: row.get(name) for name in RUN_SCHEMA.names}], RUN_SCHEMA)


def _write(file: Path, rows: list[dict[str, object]], schema: pa.Schema) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(parquet_bytes(pa.Table.from_pylist(rows, schema)))


if __name__ == "__main__":
    write_store(Path(sys.argv[1]), int(sys.argv[2]))
