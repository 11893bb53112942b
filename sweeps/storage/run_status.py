"""How a run stands. The values are the words that stores hold and tables show."""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    """`finished`, `failed` and `diverged` are of runs that have ended, and stand in their rows; `left` is a run that
    another launch trains; `begun` and `waiting` are cells that nobody trains now, with and without steps; `paused` are
    those that an adaptive sweep trained as far as it wanted to know."""

    FINISHED = "finished"
    FAILED = "failed"
    DIVERGED = "diverged"
    RUNNING = "running"
    LEFT = "left"
    BEGUN = "begun"
    PAUSED = "paused"
    WAITING = "waiting"

    @property
    def ended(self) -> bool:
        """Whether a row in the store says so."""
        return self in (RunStatus.FINISHED, RunStatus.FAILED, RunStatus.DIVERGED)
