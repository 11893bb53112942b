"""A process that becomes a fresh one, where it can train nothing more, as after a capture that failed."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn


def become(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Run `command` with this Python in the place of this process: number, folder and output stay, so that whoever
    waits for it sees one process; its threads, and what it has of a GPU, are gone."""
    sys.stdout.flush()
    sys.stderr.flush()
    for descriptor in map(int, os.listdir("/dev/fd")):
        if descriptor > 2:
            with contextlib.suppress(OSError):  # that of the listing itself is closed by now
                os.set_inheritable(descriptor, False)
    os.execve(sys.executable, [sys.executable, *command], environment)
