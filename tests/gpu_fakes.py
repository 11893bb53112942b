"""A stage of the GPU script whose tasks break in every way, for its tests."""

import os
import signal
import threading
from pathlib import Path

TRIES = 2


def tasks(setting):
    return {
        "works": lambda: [{"holds": True, "found": float("nan"), "wanted": "anything"}],
        "raises": raises,
        "dies": dies,
        "breaks its context": lambda: broken(Path(setting.work) / "broken"),
        "hangs": hangs,
        "is last": lambda: [{"number": 1}],
    }


def raises():
    yield {"half": "done"}
    raise ValueError("no")


def dies():
    yield {"half": "done"}
    os.kill(os.getpid(), signal.SIGKILL)


def broken(marker):
    """Fails in the first process, works in the next."""
    if not marker.exists():
        marker.touch()
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
    yield {"again": True}


def hangs():
    yield {"half": "done"}
    threading.Event().wait()
