"""The store as one tar file that can travel: what has finished, what counts most first, up to a size."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

LIMIT_BYTES = 15 << 20
BLOCK = 512  # tar pads to it, and heads each file with one
PARTS = (
    "grid.yaml",
    "cells.parquet",
    "runs",
    "packed",
    "measures",
    "logs",
    "trajectories",
    "weights",
)  # no checkpoints


def write_archive(folder: Path, file: Path, limit: int = LIMIT_BYTES) -> list[str]:
    """Archive the stores in `folder`, NAME/..., each run that has a row with its parts; returns what had no room."""
    size, left_out = 20 * BLOCK, []
    temporary = file.with_name(f".{file.name}.tmp")
    with tarfile.open(temporary, "w") as archive:
        for path in (path for part in PARTS for path in members(folder, part)):
            try:
                content = path.read_bytes()
            except FileNotFoundError:  # packed into another file just now
                continue
            needed = BLOCK * (2 + len(content) // BLOCK)
            name = path.relative_to(folder).as_posix()
            if size + needed > limit:
                left_out.append(name)
                continue
            size += needed
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), int(path.stat().st_mtime)
            archive.addfile(entry, io.BytesIO(content))
    os.replace(temporary, file)
    return left_out


def members(folder: Path, part: str) -> list[Path]:
    """Files of one part of all stores; of trajectories, measures and weights those of runs that have ended."""
    found = []
    for store in sorted(folder.glob("*")):
        ended = {file.stem for file in (store / "runs").glob("*.parquet")}
        place = store / part
        files = [place] if place.is_file() else sorted(file for file in place.rglob("*") if file.is_file())
        for file in files:
            run = file.relative_to(store).parts[1].split(".")[0] if file != place else ""
            if not file.name.startswith(".") and (part in PARTS[:4] or part == "logs" or run in ended):
                found.append(file)
    return found
