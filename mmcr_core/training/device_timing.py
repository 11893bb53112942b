"""How long a GPU takes, by its own events.

A step is launched while the one before it runs, so that a wait around each step counts host work that a run hides.
What is timed is a stretch of several steps with nothing but the GPU's own order between them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch


def event_seconds(work: Callable[[], None], device: torch.device) -> float:
    """Seconds between two events of the current stream of `device`, one before and one after what `work` launches. A
    GPU that has nothing left to do waits for the first launch: `work` must be long beside that, or follow other work.
    """
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    stream = torch.cuda.current_stream(device)
    begin.record(stream)
    work()
    end.record(stream)
    end.synchronize()
    return float(begin.elapsed_time(end)) / 1000
