"""Which cells that did not finish are tried again in the same launch, under Ray and without it."""

from __future__ import annotations

from enum import Enum, auto

from sweeps.monitoring.launch_outcome import Ending, StopReason

RESTARTS = 2  # times a cell whose process had to end goes on in a fresh one before it counts as failed
NEVER = (StopReason.DIVERGED, StopReason.ELSEWHERE, StopReason.STORE_GONE)  # it would be so again
MEMORY = (StopReason.OUT_OF_MEMORY, StopReason.WORKER_DIED)  # a system without memory kills processes


class Retry(Enum):
    """How a cell is tried again: not, as before, or alone with a whole GPU."""

    NO = auto()
    SAME = auto()
    ALONE = auto()


def next_attempt(ending: Ending | None, attempts: int, retries: int, *, alone: bool = False) -> Retry:
    """After `attempts` at a cell in this launch, the last of which had this `ending` (None: it has finished).

    A cell that lacked memory is tried again alone, once more than `retries` say, unless it already was `alone`; any
    other that failed as often as they say.
    """
    if ending is None or ending.reason in NEVER:
        return Retry.NO
    lacked_memory = ending.reason in MEMORY
    if attempts > retries and not (lacked_memory and attempts == 1 and not alone):
        return Retry.NO
    return Retry.ALONE if lacked_memory else Retry.SAME
