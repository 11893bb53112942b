"""What the machine is and how fast it can be: versions, copies, matrix products."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version

import torch

from sweeps.execution.run_metadata import device_name
from tests.benchmarks.gpu.rows import Row
from tests.benchmarks.gpu.stage import Setting, Tasks

LIBRARIES = ("torch", "torchvision", "triton", "numpy", "pyarrow", "pandas", "scipy", "ray", "pydantic")
REPEATS = 10


def tasks(setting: Setting) -> Tasks:
    return {
        "versions": lambda: [versions(setting)],
        "copy": lambda: [copy(setting)],
        "matrix products": lambda: products(setting),
    }


def versions(setting: Setting) -> Row:
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    where = {"device": device_name(setting.device), "cores": os.cpu_count(), "processor": platform.machine()}
    if setting.real:
        found |= {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version()), "driver": driver()}
        properties = torch.cuda.get_device_properties(0)
        where |= {"GiB": round(properties.total_memory / 2**30, 1), "processors": properties.multi_processor_count}
    return {"versions": found, "commit": setting.commit, **where}


def driver() -> str:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def copy(setting: Setting) -> Row:
    """Bytes read and written a second."""
    size = 2 << 30 if setting.real else 32 << 20
    source = torch.randint(0, 255, (size,), dtype=torch.uint8, device=setting.device)
    target = torch.empty_like(source)
    return {"GB/s": 2 * size / seconds(setting, lambda: target.copy_(source)) / 1e9}


def products(setting: Setting) -> Iterator[Row]:
    """Square matrix products of random numbers; fp32 without TF32."""
    side = 8192 if setting.real else 512
    torch.backends.cuda.matmul.allow_tf32 = False
    for dtype in (torch.bfloat16, torch.float32):
        x = torch.randn(side, side, device=setting.device).to(dtype)
        taken = seconds(setting, lambda x=x: x @ x)  # type: ignore[misc]
        yield {"dtype": str(dtype).removeprefix("torch."), "side": side, "TFLOP/s": 2 * side**3 / taken / 1e12}


def seconds(setting: Setting, call: Callable[[], object]) -> float:
    """Seconds a call, of REPEATS after three that do not count, between two events of the GPU."""
    for _ in range(3):
        call()
    if not setting.real:
        began = time.perf_counter()
        for _ in range(REPEATS):
            call()
        return (time.perf_counter() - began) / REPEATS
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(REPEATS):
        call()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / 1000 / REPEATS
