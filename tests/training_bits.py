"""Digests of short runs: `python -m tests.training_bits [NAME ...]`, before and after a change of the training step.

A change that should move no bit prints the same lines. They hold for one kind of processor and one set of library
versions, which the first line names.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import torch

from mmcr_core.config.run_id import run_id
from mmcr_core.training import Pretraining
from sweeps.config.grid_file import load_grid
from sweeps.execution.run_metadata import device_name

DIGITS = "dataset: digits, P: 32, D: 16, projector: {hidden: [32]}, budget: {steps: 200}"
GLYPHS = "dataset: glyphs, P: 16, D: 32, encoder: {name: towers, config: tiny}, budget: {steps: 20}"
SMALL_RESNET = "dataset: digits, P: 16, D: 32, encoder: {name: resnet18, stem: small, width: 16}, budget: {steps: 5}"
GRIDS = {  # grids of one cell
    "mmcr": f"{DIGITS}, K: 2, objective: {{name: mmcr, local_weight: 0.1}}, optimizer: {{schedule: cosine}}",
    "mmcr-bf16": f"{DIGITS}, K: 2, precision: bf16, optimizer: {{name: adamw}}",
    "byol": f"{DIGITS}, K: 2, objective: byol, optimizer: {{name: lars, learning_rate: 0.2}}",
    "swav-queue": f"{DIGITS}, K: 4, objective: {{name: swav, prototypes: 24, queue: 64}}, optimizer: {{name: sgd}}",
    "mmcr-pairs": f"{GLYPHS}, K: 3, objective: mmcr",
    "clip": f"{GLYPHS}, K: 2, objective: clip",
    "resnet18": f"{SMALL_RESNET}, K: 2, views: {{recipe: digits, size: 32, flip: 0.5, blur: 0.5}}",
}
METRICS = ("percent_error", "nuclear_norm", "loss", "reconstruction", "uniformity", "learning_rate")


def trajectory_and_weights(spec: object) -> tuple[dict[str, np.ndarray], list[torch.Tensor]]:
    """Train a whole run on one thread; its columns by name, and the tensors of its network."""
    torch.set_num_threads(1)
    run = Pretraining(spec, "cpu")
    chunks = [chunk.columns for chunk in run.run()]
    columns = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in METRICS}
    return columns, list(run.state_dict()["network"].values())


def digest(name: str) -> tuple[str, str]:
    """The run id of GRIDS[name], and 16 hex digits of the SHA-256 of its trajectory and its last network."""
    with tempfile.TemporaryDirectory() as folder:
        grid = Path(folder, "grid.yaml")
        grid.write_text(f"{{name: {name}, {GRIDS[name]}}}")
        (spec,) = load_grid(grid).cells
    columns, weights = trajectory_and_weights(spec)
    found = hashlib.sha256()
    for array in [*columns.values(), *(tensor.numpy() for tensor in weights)]:
        found.update(np.ascontiguousarray(array).tobytes())
    return run_id(spec), found.hexdigest()[:16]


def main() -> None:
    """Print a line per run: name, run id, digest, seconds."""
    print(
        f"# {device_name('cpu')}, torch {torch.__version__}, numpy {np.__version__}, Python {platform.python_version()}"
    )
    for name in sys.argv[1:] or GRIDS:
        began = time.monotonic()
        key, bits = digest(name)
        print(f"{name:14} {key} {bits}  {time.monotonic() - began:5.1f} s", flush=True)


if __name__ == "__main__":
    main()
