"""What a grid will cost before it runs: steps, FLOPs, memory and time of each cell, and its share of a machine."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from math import floor

from mmcr_core.config.run import RunSpec
from mmcr_core.config.run_id import run_id
from mmcr_core.data import registry
from mmcr_core.training.evaluation_flops import evaluation_flops
from mmcr_core.training.flops import flops_per_step
from mmcr_core.training.memory import WORKSPACE_BYTES, has_blocks, memory_bytes
from sweeps.config.settings import ResourceSettings
from sweeps.planning.machine import Machine
from sweeps.planning.profiling import lookup
from sweeps.planning.speed import Speed

CELLS_PER_GPU = 4  # more gain little: their kernels queue for the same units
MEMORY_SHARE = 0.9  # of a GPU or machine, for all cells that share it
CONTEXT_BYTES = 600 << 20  # CUDA context and libraries of one process
PROCESS_BYTES = 500 << 20  # Python and torch, on a CPU
# Achieved share of the matrix-product rate over a whole step, and time of a step beside its FLOPs. Only for what was
# not measured. CPU: the convnet on digits, 2 cores (ResNet-18 comes nearer to the rate). GPU: ResNet-18 at 64 pixels in
# bf16 on an H100, views compiled, where 128 to 8,192 views a step take what these two say within 2%.
STEP_EFFICIENCY = {"cpu": 0.65, "cuda": 0.155}
STEP_OVERHEAD_SECONDS = 0.0015
PIXEL_SECONDS = 4.6e-8  # of making views, for each of their pixels, uncompiled on a CPU
CELL_OVERHEAD_SECONDS = 0.5
RECOMPUTING = 4 / 3  # FLOPs of a step whose forward is done twice, over those of one that keeps it


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
    from_step: int = 0  # up to which it is trained already: `flops` and `seconds` are of the rest
    keep_bytes: int = 0  # estimate of its memory where all is kept for backward
    recompute_bytes: int | None = None  # the same where blocks are computed again; None where it has none


def plan(
    specs: tuple[RunSpec, ...],
    resources: ResourceSettings,
    machine: Machine,
    compile: str = "auto",
    speed: Callable[[RunSpec], Speed | None] = lambda spec: None,
    recomputed: bool = False,
) -> list[Cell]:
    """Cells with their costs, the most expensive first; `compile`: whether the views are compiled, as a grid says it;
    `speed`: of an encoder on a CPU, where it was measured; `recomputed`: whether blocks are, in backward."""
    loading = {dataset: registry.load_seconds(dataset) for dataset in {spec.dataset for spec in specs}}
    costs: dict[Hashable, Cell] = {}
    cells = []
    for spec in specs:
        shape = _shape(spec)
        if shape not in costs:
            costs[shape] = _cell(spec, resources, machine, compile, speed, loading[spec.dataset], recomputed)
        cells.append(replace(costs[shape], spec=spec, run_id=run_id(spec)))
    return sorted(cells, key=lambda cell: -cell.seconds)


def remaining(cells: Iterable[Cell], begun: Mapping[str, int]) -> list[Cell]:
    """The cells at the cost of what is left of them, the most expensive first; `begun`: run_id -> steps taken."""
    found = (_rest(cell, begun[cell.run_id]) if cell.run_id in begun else cell for cell in cells)
    return sorted(found, key=lambda cell: -cell.seconds)


def _rest(cell: Cell, from_step: int) -> Cell:
    measured = cell.spec.evaluate.steps(cell.steps)
    left, later = 1 - from_step / cell.steps, sum(step > from_step for step in measured) / max(1, len(measured))
    measuring = later * cell.measuring_seconds
    training = left * (cell.seconds - cell.measuring_seconds - CELL_OVERHEAD_SECONDS)
    seconds = CELL_OVERHEAD_SECONDS + training + measuring
    return replace(cell, flops=left * cell.flops, seconds=seconds, measuring_seconds=measuring, from_step=from_step)


def _shape(spec: RunSpec) -> Hashable:
    """What the cost of a cell follows from: its parts, which cells of a grid share, and its numbers but for the
    seed."""
    parts = ((one.name, getattr(spec, one.name)) for one in fields(spec) if one.name != "seed")
    return tuple(id(part) if is_dataclass(part) else part for _, part in parts)


def _cell(
    spec: RunSpec,
    resources: ResourceSettings,
    machine: Machine,
    compile: str,
    speed: Callable[[RunSpec], Speed | None],
    loading: float,
    recomputed: bool,
) -> Cell:
    images, heldout = registry.count(spec.dataset)
    steps = registry.steps_of(spec)
    flops = steps * float(flops_per_step(spec))
    device = "cuda" if machine.gpus and resources.gpus != 0 else "cpu"
    keep_bytes, recompute_bytes = _estimates(spec, images + heldout, device)
    estimate = recompute_bytes if recomputed and recompute_bytes is not None else keep_bytes
    cpus, threads = _cpus(resources, machine, device, estimate), resources.threads
    measured = lookup(spec, device, threads, compile, recomputed)
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
        per_step = (
            STEP_OVERHEAD_SECONDS
            + pixels * PIXEL_SECONDS
            + flops * (RECOMPUTING if recomputed else 1.0) / steps / rates.training / scale
        )
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
        keep_bytes=keep_bytes,
        recompute_bytes=recompute_bytes,
    )


def _estimates(spec: RunSpec, images: int, device: str) -> tuple[int, int | None]:
    """Memory where all is kept for backward, and where blocks are computed again, if there are any."""
    workspace, able = (
        WORKSPACE_BYTES if device == "cuda" else 0,
        has_blocks(spec.encoder, len(spec.views.mean), spec.views.size),
    )
    again = memory_bytes(spec, images, recomputed=True) + workspace if able else None
    return memory_bytes(spec, images) + workspace, again


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
