"""A stage of the GPU script whose tasks break in every way, for its tests."""

import os
import signal
import threading
from pathlib import Path

from mmcr_core.training import CaptureFailed

TRIES = 2


def tasks(setting):
    return {
        "works": lambda: [{"holds": True, "found": float("nan"), "wanted": "anything"}],
        "raises": raises,
        "dies": dies,
        "cannot be captured": lambda: capture(Path(setting.work) / "captured"),
        "hangs": hangs,
        "is last": lambda: [{"number": 1}],
    }


def raises():
    yield {"half": "done"}
    raise ValueError("no")


def dies():
    yield {"half": "done"}
    os.kill(os.getpid(), signal.SIGKILL)


def capture(marker):
    """Fails in the first process, works in the next."""
    if not marker.exists():
        marker.touch()
        raise CaptureFailed("it reads a value")
    yield {"eagerly": True}


def hangs():
    yield {"half": "done"}
    threading.Event().wait()
