"""What cells may use of a machine, and how fast it is."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil
import torch


@dataclass(frozen=True)
class Machine:
    """What cells may use. `flops_per_second`: large matrix products on one GPU or one CPU core."""

    gpus: float
    cpus: float
    gpu_memory_bytes: int
    flops_per_second: float
    memory_bytes: int = 0  # of the machine itself; 0 where it is not known


def this_machine(gpus: float, cpus: float) -> Machine:
    """The local machine, its rate measured with one large matrix product (a few tenths of a second)."""
    on_gpu = gpus > 0 and torch.cuda.is_available()
    device = "cuda" if on_gpu else "cpu"
    memory = torch.cuda.get_device_properties(0).total_memory if on_gpu else 0
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rate = _matmul_rate(device)
    finally:
        torch.set_num_threads(threads)
    return Machine(gpus, cpus, memory, rate, psutil.virtual_memory().total)


def _matmul_rate(device: str) -> float:
    side = 4096 if device == "cuda" else 768
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    x = torch.randn(side, side, device=device, dtype=dtype)
    x @ x
    best = float("inf")
    for _ in range(5):
        if device == "cuda":
            torch.cuda.synchronize()
        began = time.perf_counter()
        y = x @ x
        float(y[0, 0])
        best = min(best, time.perf_counter() - began)
    return 2 * side**3 / best
