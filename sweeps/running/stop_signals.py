"""SIGTERM and SIGHUP (preemption, scancel, a deleted pod, a closed terminal) are Ctrl-C: running cells write a
checkpoint, and the command ends with exit code 130."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

STOPS = (signal.SIGTERM, signal.SIGHUP)
PATIENCE_SECONDS = 25.0  # after the first signal; Slurm kills after 30 s by default


@contextlib.contextmanager
def like_ctrl_c() -> Iterator[None]:
    """Within, STOPS interrupt as SIGINT does. Where that has not ended the command after PATIENCE_SECONDS, as when
    Ray's own processes were ended by the same signal, the process ends by itself."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        timer = threading.Timer(PATIENCE_SECONDS, os._exit, (130,))
        timer.daemon = True
        timer.start()
        os.kill(os.getpid(), signal.SIGINT)

    before = {number: signal.signal(number, interrupt) for number in STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class StopFlag:
    """Set by signals, for a loop that ends itself between two steps; while not `busy` they end the process at once."""

    def __init__(self) -> None:
        self.stopped, self.busy = False, True

    def catch(self, *numbers: int) -> None:
        """Let signals set the flag from now on; outside the main thread, where none arrive, nothing changes."""
        with contextlib.suppress(ValueError):
            for number in numbers:
                signal.signal(number, self._set)

    def _set(self, number: int, frame: FrameType | None) -> None:
        self.stopped = True
        if not self.busy:
            os._exit(128 + number)
