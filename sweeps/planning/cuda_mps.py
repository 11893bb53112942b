"""How cells share a GPU: side by side under CUDA MPS, by time slices without it."""

from __future__ import annotations

import os
from pathlib import Path


def mps_runs() -> bool:
    """Whether CUDA's multi-process service runs on this machine; processes then use it by themselves. It is the
    machine's, and never started from here."""
    return (Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps")) / "control").exists()


def remark(cells_per_gpu: int) -> str:
    """What a person should know of cells that share a GPU; empty where they share none."""
    if cells_per_gpu < 2:
        return ""
    if mps_runs():
        return f"{cells_per_gpu} cells share a GPU under CUDA MPS."
    return (
        f"{cells_per_gpu} cells share a GPU by time slices, which gains little: CUDA MPS does not run here (start "
        "nvidia-cuda-mps-control, or set resources: {gpus: 1})."
    )
