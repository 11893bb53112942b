"""The stages in their order, each with its deadline. Nothing here imports torch: the supervisor reads it."""

from __future__ import annotations

from dataclasses import dataclass

SECONDS, REHEARSAL_SECONDS = 520, 240  # what the deadlines below are counted in

REPLAYED = (
    *("mmcr", "simclr", "swav", "byol", "barlow_twins", "vicreg", "mcr2", "frossl", "alignment"),
    *("swav with a queue", "adamw", "sgd with nesterov", "lars"),
)
LOSSES = ("mmcr", "clip", "siglip")
COMPILED = ("64 x 2", "256 x 2", "1024 x 2", "64 x 8", "256 x 8", "1024 x 8")  # P x K
CHECKS = (
    *(f"compiled views {shape}" for shape in COMPILED),  # the longest first
    *(f"replayed {name}" for name in REPLAYED),
    *(f"loss of {name}" for name in LOSSES),
    "first steps are the CPU's",
    "a short run learns in bf16",
    "resumes in mid-chunk, on a CPU too",
    "a capture that reads a value back",
    "a capture that needs more memory than there is",
)


@dataclass(frozen=True)
class Stage:
    """`until`: when it is ended, of SECONDS on a GPU and of REHEARSAL_SECONDS on a CPU; `tasks`: those that share no
    process on a GPU, since a failed capture leaves its process unusable; empty: one process does them all."""

    name: str
    until: float
    rehearsal_until: float
    tasks: tuple[str, ...] = ()


STAGES = (
    Stage("ceilings", 30, 25),  # the first to import torch from a cold disk
    Stage("checks", 80, 110, CHECKS),
    Stage("speed", 178, 145),
    Stage("nuclear_norms", 190, 160),
    Stage("resuming", 232, 190),
    Stage("grid_cells", 495, 230),
)
