"""How the cells of a launch ended. Whatever is decided is decided by values; texts are for people."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from sweeps.monitoring.standing import Standing
from sweeps.storage.run_status import RunStatus

EARLIER = " | earlier: "  # between the reasons in a run's row, the latest first
MAX_REASON = 4000  # characters of a run's reasons


class StopReason(Enum):
    """Why a run did not finish."""

    ERROR = auto()  # the run raised
    OUT_OF_MEMORY = auto()
    BAD_DATA = auto()  # absent or unreadable on its node
    WORKER_DIED = auto()  # its process, each time
    OTHER_CODE = auto()  # its node has not the driver's
    DIVERGED = auto()
    ELSEWHERE = auto()  # another launch trains it
    STORE_GONE = auto()  # the sweep's folder was moved or removed


_STATUS = {StopReason.DIVERGED: RunStatus.DIVERGED, StopReason.ELSEWHERE: RunStatus.LEFT}


@dataclass(frozen=True)
class Ending:
    """Why a run did not finish, and a text that says so."""

    reason: StopReason
    text: str

    @property
    def status(self) -> RunStatus:
        """What that makes of the run."""
        return _STATUS.get(self.reason, RunStatus.FAILED)

    def __str__(self) -> str:
        return f"{self.status}: {self.text}"

    @staticmethod
    def of_row(row: dict[str, Any]) -> Ending:
        """Of a run that has ended without finishing, by its row; what failed is not known there."""
        diverged = row["status"] == RunStatus.DIVERGED
        return Ending(StopReason.DIVERGED if diverged else StopReason.ERROR, latest(row["error"]))


def with_earlier(text: str, earlier: str | None) -> str:
    """A reason before those of earlier attempts."""
    return f"{text}{EARLIER}{earlier}"[:MAX_REASON] if earlier else text


def latest(error: str | None) -> str:
    """The first of the reasons in a run's row."""
    return (error or "").split(EARLIER)[0]


@dataclass
class Outcome:
    """run_ids by how they ended, with the reason of each that did not finish; `finished_before` the launch; of an
    adaptive one how the sweep stands at its end."""

    finished_before: int = 0
    finished: list[str] = field(default_factory=list)
    unfinished: dict[str, Ending] = field(default_factory=dict)
    interrupted: bool = False
    timed_out: bool = False
    standing: Standing | None = None

    def add(self, run_id: str, ending: Ending | None) -> None:
        """A cell has ended, perhaps after an earlier attempt; None: it has finished."""
        self.unfinished.pop(run_id, None)
        if ending is None:
            self.finished.append(run_id)
        else:
            self.unfinished[run_id] = ending

    def replace(self, run_ids: list[str], later: Outcome) -> None:
        """How cells ended later takes the place of how they had ended before."""
        for run_id in run_ids:
            del self.unfinished[run_id]
        self.finished += later.finished
        self.unfinished |= later.unfinished
        self.interrupted = later.interrupted

    def with_status(self, status: RunStatus) -> list[str]:
        """run_ids of the cells that have not finished, by what became of them."""
        return [run_id for run_id, ending in self.unfinished.items() if ending.status is status]

    @property
    def exit_code(self) -> int:
        """0 where every cell has finished, 130 where the launch was interrupted, else 1."""
        if self.interrupted and not self.timed_out:
            return 130
        return 1 if self.unfinished or self.timed_out else 0
