"""Chunks of a trajectory, `trajectories/RUN_ID/FIRST-LAST.parquet`: their names, and which of them count."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from sweeps.storage.filesystems import files_below


def chunk_name(step_first: int, step_last: int) -> str:
    """File name of the chunk of steps step_first..step_last."""
    return f"{step_first:08d}-{step_last:08d}.parquet"


def chunk_steps(file: Path) -> tuple[int, int]:
    """First and last step of a chunk, from its name."""
    first, last = file.stem.split("-")
    return int(first), int(last)


def chunk_files(folder: Path) -> list[Path]:
    """The chunks of a run, whole names only, in order of their steps. Raises OSError where it cannot be read."""
    files = (folder / name for (name,) in files_below(folder))
    return sorted(file for file in files if is_chunk(file))


def is_chunk(file: Path) -> bool:
    """Whether a name is a chunk's: not one that is being written, nor a copy that somebody made."""
    return re.fullmatch(r"\d{8,}-\d{8,}\.parquet", file.name) is not None


def visible_chunks(files: Iterable[Path]) -> list[Path]:
    """Chunks by run and in order of their steps, each step in one of them: a chunk that lies inside another of its
    run is what compaction was about to delete."""
    visible: list[Path] = []
    run, reached = "", -1
    for run_id, _, last, file in sorted((file.parent.name, *_span(file), file) for file in files):
        if run_id != run or -last > reached:
            visible.append(file)
            run, reached = run_id, -last
    return visible


def _span(file: Path) -> tuple[int, int]:
    """Sorts chunks by their first step, the longest first."""
    first, last = chunk_steps(file)
    return first, -last
