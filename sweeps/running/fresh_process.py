"""A command that goes on in a fresh process of the same number, where this one can train nothing more."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass, replace
from typing import NoReturn

from mmcr_core.training.fresh_process import become

CARRIED = "MMCR_SWEEPS_CARRIED"  # in the environment of the fresh process
RESTARTS = 2  # times that a cell goes on in a fresh process before it counts as failed


@dataclass(frozen=True)
class Carried:
    """What a fresh process must know of the one before: attempts at the cell that have failed, processes that ended
    under it, and the deadline in the time of time.monotonic(), which goes on; None in the first process."""

    attempts: int = 0
    restarts: int = 0
    deadline: float | None = None

    @staticmethod
    def here() -> Carried:
        """What this process was told; nobody else is."""
        return Carried(**json.loads(os.environ.pop(CARRIED, "{}")))

    def attempted(self) -> Carried:
        """With one more attempt."""
        return replace(self, attempts=self.attempts + 1)

    def restarted(self) -> Carried:
        """With one more process."""
        return replace(self, restarts=self.restarts + 1)


def start_again(carried: Carried) -> NoReturn:
    """This process's command line, from its beginning. Slurm sees one task."""
    become(sys.orig_argv[1:], os.environ | {CARRIED: json.dumps(asdict(carried))})
