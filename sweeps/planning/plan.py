"""What a grid will cost before it runs: steps, FLOPs, memory and time of each cell, and how cells are packed."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, fields, is_dataclass, replace
from math import floor

import psutil
import torch

from mmcr_core.config.run import RunSpec
from mmcr_core.config.run_id import run_id
from mmcr_core.data import registry
from mmcr_core.training.evaluation_flops import evaluation_flops
from mmcr_core.training.flops import flops_per_step
from mmcr_core.training.memory import WORKSPACE_BYTES, memory_bytes
from sweeps.cli.errors import UserError
from sweeps.cli.formatting import duration, memory
from sweeps.config.settings import ResourceSettings
from sweeps.planning.profiling import lookup
from sweeps.planning.speed import Speed

CELLS_PER_GPU = 4  # more gain little: their kernels queue for the same units
MEMORY_SHARE = 0.9  # of a GPU or machine, for all cells that share it
CONTEXT_BYTES = 600 << 20  # CUDA context and libraries of one process
PROCESS_BYTES = 500 << 20  # Python and torch, on a CPU
# Achieved share of the matrix-product rate over a whole step, and time of a step beside its FLOPs. Only for what was
# not measured. CPU: the convnet on digits, 2 cores (ResNet-18 comes nearer to the rate). GPU: ResNet-18 at 64 pixels in
# bf16 on an H100, views compiled, where 128 to 8,192 views a step take what these two say within 2 %.
STEP_EFFICIENCY = {"cpu": 0.65, "cuda": 0.155}
STEP_OVERHEAD_SECONDS = 0.0015
PIXEL_SECONDS = 4.6e-8  # of making views, for each of their pixels, uncompiled on a CPU
CELL_OVERHEAD_SECONDS = 0.5


@dataclass(frozen=True)
class Machine:
    """What cells may use. `flops_per_second`: large matrix products on one GPU or one CPU core."""

    gpus: float
    cpus: float
    gpu_memory_bytes: int
    flops_per_second: float
    memory_bytes: int = 0  # of the machine itself; 0 where it is not known


@dataclass(frozen=True)
class Cell:
    """One run with its cost, `measured` before on this kind of device or estimated from its FLOPs; `gpus` and
    `cpus` are what it asks of Ray, `threads` what it computes with on the CPU."""

    spec: RunSpec
    run_id: str
    steps: int
    images: int
    flops: float
    memory_bytes: int
    seconds: float  # with `measuring_seconds`, without `loading_seconds`
    gpus: float
    cpus: float
    measured: bool
    threads: int = 1
    measuring_seconds: float = 0.0
    loading_seconds: float = 0.0  # of the data set, once for all cells that have it
    continues: str | None = None  # run_id of the shorter run that it continues


def plan(
    specs: tuple[RunSpec, ...],
    resources: ResourceSettings,
    machine: Machine,
    compile: str = "auto",
    speed: Callable[[RunSpec], Speed | None] = lambda spec: None,
) -> list[Cell]:
    """Cells with their costs, the most expensive first; `compile`: whether the views are compiled, as a grid says it;
    `speed`: of an encoder on a CPU, where it was measured."""
    loading = {dataset: registry.load_seconds(dataset) for dataset in {spec.dataset for spec in specs}}
    costs: dict[Hashable, Cell] = {}
    cells = []
    for spec in specs:
        shape = _shape(spec)
        if shape not in costs:
            costs[shape] = _cell(spec, resources, machine, compile, speed, loading[spec.dataset])
        cells.append(replace(costs[shape], spec=spec, run_id=run_id(spec)))
    return sorted(cells, key=lambda cell: -cell.seconds)


def _shape(spec: RunSpec) -> Hashable:
    """What the cost of a cell follows from: its parts, which cells of a grid share, and its numbers but for the
    seed."""
    parts = ((one.name, getattr(spec, one.name)) for one in fields(spec) if one.name != "seed")
    return tuple(id(part) if is_dataclass(part) else part for _, part in parts)


def too_large(cells: list[Cell], machine: Machine) -> list[Cell]:
    """Cells that need more memory than the machine, or one of its GPUs, has (where that is known)."""

    def there_is(cell: Cell) -> int:
        return machine.gpu_memory_bytes if cell.gpus else machine.memory_bytes

    return [cell for cell in cells if there_is(cell) and cell.memory_bytes > there_is(cell)]


def memory_warning(cells: list[Cell], machine: Machine) -> str:
    """Which cells do not fit; empty where all do."""
    if not (large := too_large(cells, machine)):
        return ""
    worst = max(large, key=lambda cell: cell.memory_bytes)
    there = machine.gpu_memory_bytes if worst.gpus else machine.memory_bytes
    spec, what = worst.spec, "as measured" if worst.measured else "by estimate"
    return (
        f"{len(large)} of {len(cells)} cells need more memory than {'a GPU' if worst.gpus else 'this machine'} has, "
        f"such as P = {spec.P}, D = {spec.D}, K = {spec.K}: {memory(worst.memory_bytes)} {what}, there are "
        f"{memory(there)}; leave them out with --only, use smaller P or K, precision: bf16, or a larger machine"
    )


def require_memory(cells: list[Cell], machine: Machine) -> None:
    """Raises UserError where a cell needs more memory than there is."""
    if warning := memory_warning(cells, machine):
        raise UserError(warning)


def schedule(cells: list[Cell], machine: Machine, max_concurrent: int | None = None) -> list[tuple[float, float]]:
    """Estimated start and end of each cell, in seconds from the launch: once the data is loaded, each goes, in order,
    to the slot that is free first. Cells that share a GPU share its speed."""
    if not cells:
        return []
    widest, share = max(cell.cpus for cell in cells), max(cell.gpus for cell in cells)
    slots = floor(machine.cpus / widest)
    if share:
        slots = min(slots, floor(machine.gpus / share))
    sets = {id(cell.spec.dataset): cell for cell in cells}.values()  # cells share their parts
    loading = sum({replace(cell.spec.dataset, limit=None): cell.loading_seconds for cell in sets}.values())
    free = [loading] * max(1, min(slots, max_concurrent or slots))
    times = []
    for cell in cells:
        slot = free.index(min(free))
        start = free[slot]
        free[slot] += cell.seconds / (share if 0 < share < 1 else 1.0)
        times.append((start, free[slot]))
    return times


def makespan_seconds(cells: list[Cell], machine: Machine, max_concurrent: int | None = None) -> float:
    """Estimated time of the whole plan."""
    return max((end for _, end in schedule(cells, machine, max_concurrent)), default=0.0)


def measuring_warning(cells: list[Cell]) -> str:
    """In which cells loading and measuring take longer than training; empty where they do in none."""

    def beside(cell: Cell) -> float:
        return cell.measuring_seconds + cell.loading_seconds

    slow = [cell for cell in cells if beside(cell) > cell.seconds - cell.measuring_seconds]
    if not slow:
        return ""
    worst = max(slow, key=beside)
    spec, probes = worst.spec, worst.spec.evaluate.probes
    cheaper = (
        "evaluate: {probe_images: 2000} or probe: none" if probes else "fewer measures or evaluate.heldout_batches"
    )
    return (
        f"Loading and measuring take longer than training in {len(slow)} of {len(cells)} cells, such as P = {spec.P}, "
        f"D = {spec.D}, K = {spec.K}: loading {duration(worst.loading_seconds)} (once), measuring "
        f"{duration(worst.measuring_seconds)}, training {duration(worst.seconds - worst.measuring_seconds)}; {cheaper} "
        "makes them cheaper."
    )


def _cell(
    spec: RunSpec,
    resources: ResourceSettings,
    machine: Machine,
    compile: str,
    speed: Callable[[RunSpec], Speed | None],
    loading: float,
) -> Cell:
    images, heldout = registry.count(spec.dataset)
    steps = registry.steps_of(spec)
    flops = steps * float(flops_per_step(spec))
    device = "cuda" if machine.gpus and resources.gpus != 0 else "cpu"
    estimate = memory_bytes(spec, images + heldout) + (WORKSPACE_BYTES if device == "cuda" else 0)
    cpus, threads = _cpus(resources, machine, device, estimate), resources.threads
    measured = lookup(spec, device, threads, compile)
    memory = measured.memory_bytes if measured else estimate
    gpus = _gpus(resources, machine, memory)
    if measured:
        measuring = measured.measuring_seconds
        training = CELL_OVERHEAD_SECONDS + measured.start_seconds + steps * measured.seconds_per_step
    else:
        rate = machine.flops_per_second * STEP_EFFICIENCY[device]
        rates = Speed(rate, rate) if gpus else speed(spec) or Speed(rate, rate)
        scale = 1 if gpus else threads
        pixels = 0 if gpus else spec.P * spec.image_views * spec.views.size**2
        per_step = STEP_OVERHEAD_SECONDS + pixels * PIXEL_SECONDS + flops / steps / rates.training / scale
        training = CELL_OVERHEAD_SECONDS + steps * per_step
        measuring = evaluation_flops(spec, images, heldout) / rates.measuring / scale
        measuring *= len(spec.evaluate.steps(steps))
    return Cell(
        spec,
        run_id(spec),
        steps,
        steps * spec.P,
        flops,
        memory,
        training + measuring,
        gpus,
        cpus,
        measured is not None,
        threads,
        measuring,
        loading,
    )


def _gpus(resources: ResourceSettings, machine: Machine, memory: int) -> float:
    if resources.gpus != "auto":
        return resources.gpus
    if machine.gpus == 0:
        return 0.0
    if machine.gpu_memory_bytes == 0:  # a remote GPU of unknown size is not shared
        return 1.0
    fit = floor(MEMORY_SHARE * machine.gpu_memory_bytes / (memory + CONTEXT_BYTES))
    return 1.0 / max(1, min(CELLS_PER_GPU, fit))


def _cpus(resources: ResourceSettings, machine: Machine, device: str, memory: int) -> float:
    """One core per cell; more, so that fewer run at once, where fewer cells fit into memory than there are cores.
    Beside a GPU a cell only launches kernels."""
    if resources.cpus != "auto":
        return resources.cpus
    if device == "cuda":
        return 1.0 if machine.cpus >= machine.gpus * CELLS_PER_GPU else 0.5
    fit = (
        floor(MEMORY_SHARE * machine.memory_bytes / (memory + PROCESS_BYTES)) if machine.memory_bytes else machine.cpus
    )
    return float(max(1, floor(machine.cpus / max(1, fit))))


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
