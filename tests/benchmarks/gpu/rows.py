"""The rows of `rows.jsonl`: written whole, flushed to disk at once, by any number of processes; read with torn lines
left out."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def append(file: Path, row: Row) -> None:
    """Add a row in one write and sync it; where the disk is full it is printed and no more."""
    line = json.dumps(plain({"time": round(time.time(), 2)} | row), allow_nan=False) + "\n"
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(handle, line.encode())
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        print(f"{file}: {error.strerror}", file=sys.stderr)
    with contextlib.suppress(OSError):  # whoever read our output may have gone
        print(line, end="", flush=True)


def read(file: Path) -> list[Row]:
    """All rows that are whole."""
    found = []
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            found.append(row)
    return found


def plain(value: Any) -> Any:
    """What JSON can hold: NaN and infinities as text, scalars of any library as numbers, all else as text."""
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return plain(value.item()) if callable(getattr(value, "item", None)) else str(value)
