"""SIGTERM and SIGHUP (preemption, scancel, a deleted pod, a closed terminal) are Ctrl-C: running cells write a
checkpoint, and the command ends with exit code 130."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

STOPS = (signal.SIGTERM, signal.SIGHUP)
PATIENCE_SECONDS = 25.0  # after the first signal; Slurm kills after 30 s by default


@contextlib.contextmanager
def like_ctrl_c() -> Iterator[None]:
    """Within, STOPS interrupt as SIGINT does. Where that has not ended the command after PATIENCE_SECONDS, as when
    Ray's own processes were killed before it, the process says so and ends by itself."""

    timer = threading.Timer(PATIENCE_SECONDS, _give_up)
    timer.daemon = True

    def interrupt(number: int, frame: FrameType | None) -> None:
        if timer.ident is None:  # the first: another would be a second Ctrl-C, which cuts the checkpoints short
            timer.start()
            os.kill(os.getpid(), signal.SIGINT)

    before = {number: signal.signal(number, interrupt) for number in STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _give_up() -> None:
    sys.stdout.flush()
    text = f"interrupted, and Ray has not stopped within {PATIENCE_SECONDS:.0f} s"
    os.write(2, f"{text}: cells continue from their last checkpoints; launch again to go on\n".encode())
    os._exit(130)


class StopFlag:
    """Set by signals, for a loop that ends itself between two steps."""

    def __init__(self) -> None:
        self.stopped = False

    def catch(self, *numbers: int) -> None:
        """Let signals set the flag from now on; outside the main thread, where none arrive, nothing changes."""
        with contextlib.suppress(ValueError):
            for number in numbers:
                signal.signal(number, self._set)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)  # sweeps/cluster/slurm.sh keeps SIGTERM from Ray

    def then(self, leave: Callable[[], None]) -> None:
        """Call `leave` in a thread as soon as a signal arrives, even while the main thread is in Ray's own loop, where
        Python runs no handlers."""
        reader, writer = socket.socketpair()
        writer.setblocking(False)
        with contextlib.suppress(ValueError):
            signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)

        def watch() -> None:
            while reader.recv(1)[0] not in STOPS:
                pass
            self.stopped = True
            leave()

        threading.Thread(target=watch, daemon=True).start()

    def _set(self, number: int, frame: FrameType | None) -> None:
        self.stopped = True
