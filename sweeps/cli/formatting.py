"""Times, sizes and counts as people read them."""

from __future__ import annotations

import math


def duration(seconds: float) -> str:
    """Seconds in the largest two units that matter."""
    if not math.isfinite(seconds):
        return "?"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, hours = seconds / 60, seconds / 3600
    if minutes < 60:
        return f"{int(minutes)} min {int(seconds % 60)} s"
    return f"{int(hours)} h {int(minutes % 60)} min" if hours < 48 else f"{hours / 24:.1f} days"


def memory(count: float) -> str:
    """Bytes as MiB or GiB."""
    return f"{count / 2**20:.0f} MiB" if count < 2**30 else f"{count / 2**30:.1f} GiB"


def counted(number: int, thing: str) -> str:
    """ "1 cell", "2,000 cells"."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")
