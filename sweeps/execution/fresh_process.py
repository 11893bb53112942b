"""A command that goes on in a fresh process of the same number, where this one can train nothing more."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import asdict, dataclass, replace
from typing import NoReturn

CARRIED = "MMCR_SWEEPS_CARRIED"  # in the environment of the fresh process


@dataclass(frozen=True)
class Carried:
    """What a fresh process must know of the one before: attempts at the cell that have failed, processes that ended
    under the one that goes on, and the deadline in the time of time.monotonic(), which goes on; None in the first
    process."""

    attempts: int = 0
    restarts: int = 0
    deadline: float | None = None

    @staticmethod
    def here() -> Carried:
        """What this process was told; nobody else is."""
        return Carried(**json.loads(os.environ.pop(CARRIED, "{}")))

    def attempted(self) -> Carried:
        """With one more attempt, which may take processes of its own."""
        return replace(self, attempts=self.attempts + 1, restarts=0)

    def restarted(self) -> Carried:
        """With one more process."""
        return replace(self, restarts=self.restarts + 1)


def start_again(carried: Carried) -> NoReturn:
    """This process's command line, from its beginning, in the place of this process: number, folder and output stay, so
    that whoever waits for it, as Slurm, sees one process; its threads, and what it has of a GPU, are gone."""
    sys.stdout.flush()
    sys.stderr.flush()
    for descriptor in map(int, os.listdir("/dev/fd")):
        if descriptor > 2:
            with contextlib.suppress(OSError):  # that of the listing itself is closed by now
                os.set_inheritable(descriptor, False)
    command = [sys.executable, *sys.orig_argv[1:]]
    os.execve(sys.executable, command, os.environ | {CARRIED: json.dumps(asdict(carried))})
