"""What a person should know of a plan: cells that do not fit into memory, that measure for longer than they train, or
that cannot reach the uniform baseline."""

from __future__ import annotations

import math
from dataclasses import replace

from mmcr_core.config.run import RunSpec, SpecError
from mmcr_core.models.networks import rank_bound
from mmcr_core.theory import expected_percent_error
from sweeps.cli.errors import UserError
from sweeps.cli.formatting import duration, memory
from sweeps.planning.machine import Machine
from sweeps.planning.plan import Cell

WORTHWHILE = 0.95  # of the memory, below which recomputing is mentioned to those who have not asked for it


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
    smaller = [cell for cell in large if cell.recompute_bytes and cell.recompute_bytes < cell.memory_bytes]
    fit = len(smaller) - len(
        too_large([replace(one, memory_bytes=one.recompute_bytes or 0) for one in smaller], machine)
    )
    remedy = f"memory: recompute makes {fit} of them fit; else " if fit else ""
    return (
        f"{len(large)} of {len(cells)} cells need more memory than {'a GPU' if worst.gpus else 'this machine'} has, "
        f"such as P = {spec.P}, D = {spec.D}, K = {spec.K}: {memory(worst.memory_bytes)} {what}, there are "
        f"{memory(there)}; {remedy}leave them out, use smaller P or K, precision: bf16, or a larger machine"
    )


def recompute_remark(cells: list[Cell], setting: str) -> str:
    """What the largest cell takes with and without memory: recompute; empty where that saves nothing to speak of."""
    least = 1.0 if setting == "recompute" else WORTHWHILE
    if not (
        able := [cell for cell in cells if cell.recompute_bytes and cell.recompute_bytes <= least * cell.keep_bytes]
    ):
        return ""
    worst = max(able, key=lambda cell: cell.keep_bytes)
    spec, without, within = worst.spec, memory(worst.keep_bytes), memory(worst.recompute_bytes or 0)
    if setting == "keep" and within == without:
        return ""
    figures = (
        f"{within} instead of {without} without it" if setting == "recompute" else f"{within} instead of {without}"
    )
    return f"memory: recompute takes {figures} at P = {spec.P}, D = {spec.D}, K = {spec.K}, by estimate."


def require_memory(cells: list[Cell], machine: Machine) -> None:
    """Raises UserError where a cell needs more memory than there is."""
    if warning := memory_warning(cells, machine):
        raise UserError(warning)


def measuring_warning(cells: list[Cell]) -> str:
    """In which cells loading and measuring take longer than training; empty where they do in none."""

    def beside(cell: Cell) -> float:
        return cell.measuring_seconds + cell.loading_seconds

    slow = [cell for cell in cells if beside(cell) > cell.seconds - cell.measuring_seconds]
    if not slow:
        return ""
    worst = max(slow, key=beside)
    spec, probes = worst.spec, worst.spec.evaluate.probes
    cheaper = "a smaller evaluate.probe_images, or probe: none," if probes else "fewer measures or heldout batches"
    return (
        f"Loading and measuring take longer than training in {len(slow)} of {len(cells)} cells, such as P = {spec.P}, "
        f"D = {spec.D}, K = {spec.K}: loading {duration(worst.loading_seconds)} (once), measuring "
        f"{duration(worst.measuring_seconds)}, training {duration(worst.seconds - worst.measuring_seconds)}; {cheaper} "
        "makes them cheaper."
    )


def _rank_bound(spec: RunSpec) -> float:
    """Of the mean embeddings; infinite where it cannot be known."""
    try:
        return rank_bound(spec)
    except SpecError:
        return math.inf


def rank_warning(cells: tuple[RunSpec, ...]) -> str:
    """Which cells cannot reach the uniform baseline, whatever they learn; empty where all can."""
    bound = [cell for cell in cells if _rank_bound(cell) < min(cell.P, cell.D)]
    if not bound:
        return ""
    worst = min(bound, key=lambda cell: _rank_bound(cell) / min(cell.P, cell.D))
    rank, needed = _rank_bound(worst), max(min(cell.P, cell.D) for cell in bound)
    level, free = (expected_percent_error(worst.P, worst.D, rank=r) for r in (rank, None))
    return (
        f"{len(bound)} of {len(cells)} cells cannot reach the uniform baseline: the last hidden layer of "
        f"the projector bounds the rank of M (by {rank} at P = {worst.P}, D = {worst.D}, where the baseline is "
        f"{level:.3f} instead of {free:.3f}); use projector: {{hidden: [{needed}]}} or more."
    )
