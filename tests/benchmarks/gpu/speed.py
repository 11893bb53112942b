"""What the paper's cells cost: bare and full step, views eager and compiled, memory against its estimate, a profile.

What has no time left is left out, and a row says so. `grid_cells` plans with the rates that are found here.
"""

from __future__ import annotations

import gc
import inspect
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from mmcr_core.config.run import RunSpec
from mmcr_core.data.image_set import Images
from mmcr_core.training import Pretraining
from mmcr_core.training.memory import WORKSPACE_BYTES, memory_bytes
from sweeps.execution.peak_memory import peak_memory_bytes
from tests.benchmarks.gpu.rows import Row
from tests.benchmarks.gpu.specs import paper, stl10_images
from tests.benchmarks.gpu.stage import Setting, Tasks
from tests.benchmarks.measure import seconds_in_turn
from tests.benchmarks.step_efficiency import measured as step_efficiency

FIRST = ((64, 64, 2), (256, 256, 2), (1024, 256, 2), (256, 256, 8), (64, 256, 8))
THEN = ((1024, 256, 8),)  # needs most memory
OTHER_D = ((64, 256, 2), (1024, 1024, 2))  # D changes little: views eager alone
WITH_NETWORK = ((64, 64, 2),)  # it takes half a minute to compile
REHEARSED = ((64, 64, 2),)
PROFILED = (256, 256, 2)
# Seconds below which a part is left out, on a GPU and on a CPU.
COMPILED_NEEDS, NETWORK_NEEDS = (12.0, 15.0), (25.0, 40.0)
STEPS = 8  # past warm-up and capture
TOP = 25


def tasks(setting: Setting) -> Tasks:
    images = stl10_images(setting)
    first, then, other = (FIRST, THEN, OTHER_D) if setting.real else (REHEARSED, (), ())
    with_network = WITH_NETWORK if setting.real else WITH_NETWORK[:1]
    return {
        "reserved memory": lambda: [reserved_memory(setting, images)],
        **{f"step {shape}": lambda shape=shape: step(setting, images, shape) for shape in first},
        "profile": lambda: profile(setting, images),
        **{f"step {shape}": lambda shape=shape: step(setting, images, shape) for shape in then},
        **{f"step {shape}": lambda shape=shape: step(setting, images, shape, False) for shape in other},
        **{f"network compiled {s}": lambda s=s: network_compiled(setting, images, s) for s in with_network},
    }


def step(setting: Setting, images: Images, shape: tuple[int, int, int], compiled_too: bool = True) -> Iterator[Row]:
    """Memory and start of a run, then its step with views eager and compiled."""
    spec = paper(setting, *shape)
    yield memory(setting, images, spec)
    seconds = 1.0 if setting.real else 0.3
    began = time.perf_counter()
    eager = step_efficiency(spec, images, device=setting.device, seconds=seconds)
    wall = time.perf_counter() - began
    yield eager | {"images/s": 1e3 * spec.P / eager["full ms"]}
    if not compiled_too:
        return
    if (needs := enough(setting, COMPILED_NEEDS)) is not None:
        yield {"left_out": f"compiled views: {needs}"}
        return
    began = time.perf_counter()
    compiled = step_efficiency(spec, images, device=setting.device, seconds=seconds, compiled=True)
    more = max(0.0, time.perf_counter() - began - wall)
    yield compiled | {"images/s": 1e3 * spec.P / compiled["full ms"], "compile s": more}


def memory(setting: Setting, images: Images, spec: RunSpec) -> Row:
    """Peak against its estimate, and seconds from nothing to steady steps: plans of cuDNN, captures."""
    fresh(setting)
    began = time.perf_counter()
    run = Pretraining(spec, setting.device, images)
    advance(run)
    if setting.real:
        torch.cuda.synchronize()
    start, peak = time.perf_counter() - began, peak_memory_bytes(setting.device)
    estimate = memory_bytes(spec, len(images.train) + len(images.heldout)) + WORKSPACE_BYTES
    return shape_of(spec) | {
        "start s": start,
        "estimated GiB": estimate / 2**30,
        "measured GiB": peak / 2**30,
        "measured / estimated": peak / estimate,
    }


def network_compiled(setting: Setting, images: Images, shape: tuple[int, int, int]) -> Iterator[Row]:
    """A step with views, encoder and projector compiled."""
    if "network_compiled" not in inspect.signature(Pretraining.__init__).parameters:
        yield {"left_out": "this version does not compile the network"}
        return
    if (needs := enough(setting, NETWORK_NEEDS)) is not None:
        yield {"left_out": needs}
        return
    fresh(setting)
    spec, more = paper(setting, *shape), {"network_compiled": True}
    began = time.perf_counter()
    run = Pretraining(spec, setting.device, images, compiled=True, **more)
    advance(run)
    start = time.perf_counter() - began
    full = seconds_in_turn({"full": run.train_step}, seconds=1.0 if setting.real else 0.3)["full"]
    row = {"full ms": 1e3 * full, "images/s": spec.P / full, "start s": start}
    yield shape_of(spec) | {"precision": spec.precision, "views": "compiled", "network": "compiled"} | row


def profile(setting: Setting, images: Images) -> Iterator[Row]:
    """The kernels that take most of a step's device time; the whole table goes to profile.txt."""
    run = Pretraining(paper(setting, *PROFILED), setting.device, images)
    advance(run)
    activities = [torch.profiler.ProfilerActivity.CPU]
    if setting.real:
        torch.cuda.synchronize()
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    steps = 3
    with torch.profiler.profile(activities=activities) as profiled:
        for _ in range(steps):
            run.train_step()
        if setting.real:
            torch.cuda.synchronize()
    events = profiled.key_averages()
    key = "self_device_time_total" if setting.real else "self_cpu_time_total"
    table = events.table(sort_by=key, row_limit=TOP, max_name_column_width=90)
    (Path(setting.out) / "profile.txt").write_text(f"{steps} steps of {shape_of(run.spec)}\n{table}\n")
    events = [event for event in events if not setting.real or str(event.device_type).endswith("CUDA")]  # kernels alone
    total = sum(getattr(event, key) for event in events) or 1
    for event in sorted(events, key=lambda event: -getattr(event, key))[:10]:
        spent = getattr(event, key)
        yield {"kernel": event.key[:120], "us a step": spent / steps, "share": spent / total, "calls": event.count}


def reserved_memory(setting: Setting, images: Images) -> Row:
    """What is reserved, graphs included, against what the driver says is gone; alone on the GPU."""
    if not setting.real:
        return {"left_out": "needs a GPU"}
    torch.cuda.empty_cache()
    before, held = torch.cuda.mem_get_info()[0], torch.cuda.memory_reserved()
    torch.cuda.reset_peak_memory_stats()
    advance(Pretraining(paper(setting, *PROFILED), setting.device, images))
    gone, reserved = before - torch.cuda.mem_get_info()[0], torch.cuda.max_memory_reserved() - held
    found = f"reserved {reserved / 2**30:.2f} GiB, gone {gone / 2**30:.2f} GiB"
    # Beside what is reserved, the driver loads kernels when they are first called.
    return {
        "found": found,
        "wanted": "within 20% and 1 GiB",
        "holds": abs(reserved - gone) < 0.2 * reserved + (1 << 30),
    }


def enough(setting: Setting, needs: tuple[float, float]) -> str | None:
    """None where there is time for a part that needs so many seconds; else what is missing."""
    wanted, left = needs[0] if setting.real else needs[1], setting.seconds_left()
    return None if left > wanted else f"{left:.0f} s were left, it needs {wanted:.0f}"


def fresh(setting: Setting) -> None:
    gc.collect()
    if setting.real:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def advance(run: Pretraining) -> None:
    for _ in range(STEPS):
        run.train_step()


def shape_of(spec: RunSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in ("P", "D", "K")}
