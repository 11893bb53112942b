"""What a person allows one launch."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass

from sweeps.cli.errors import OptionError


@dataclass(frozen=True)
class Limits:
    """Most cells at once; `deadline` in the time of time.monotonic(): running cells then write a checkpoint, and
    nothing more starts; whether to wait for cells that another launch trains."""

    max_concurrent: int | None = None
    deadline: float = math.inf
    wait: bool = True

    @staticmethod
    def of(max_concurrent: int | None, time_limit: str | None, wait: bool) -> Limits:
        """From the command's options. Raises OptionError where `time_limit` is not such as 90s, 30m, 2h or 1d."""
        return Limits(max_concurrent, time.monotonic() + _seconds(time_limit), wait)


def _seconds(text: str | None) -> float:
    if text is None:
        return math.inf
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not match or float(match[1]) == 0:
        raise OptionError("time_limit", f"'{text}' is not a time; use a number with s, m, h or d, such as 90s or 2h")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]
