"""When each cell of a plan starts and ends, and how long the whole plan takes."""

from __future__ import annotations

from dataclasses import replace
from math import floor

from sweeps.planning.machine import Machine
from sweeps.planning.plan import Cell


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
