"""What a trial is told, how it began, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass, field

JUDGED_FROM = 0.1  # of a run on its embeddings may have collapsed: before, they have not spread yet


@dataclass(frozen=True)
class Progress:
    """Where a trial stands. `status` is running, finished, failed, diverged, or left (to another launch);
    `process_ends`: nothing more can be trained in this process; `alarm`: what is wrong with its embeddings."""

    status: str
    step: int
    steps: int
    percent_error: float
    images_per_second: float
    error: str | None = None
    notes: tuple[str, ...] = ()
    process_ends: bool = False
    alarm: str = ""


@dataclass(frozen=True)
class TrialSettings:
    """How a run is run, none of which changes its result but for rounding.

    A checkpoint is written every `checkpoint_seconds`, or less often where writing one takes more than
    CHECKPOINT_SHARE of that time; `keep` says what stays of a finished run (none, weights, all); `compiled` and
    `network_compiled`: whether the views are, and encoder and projector; `continues`: run_id of a finished, shorter run
    that this one goes on from.
    """

    device: str = "cpu"
    threads: int = 1
    checkpoint_seconds: float = 60.0
    keep: str = "weights"
    compiled: bool = False
    network_compiled: bool = False
    continues: str | None = None
    tensorboard: bool = False


@dataclass
class Begun:
    """When and how a run began: what its floating-point sums depend on stays the same where it is resumed."""

    started_at: str
    device: str
    threads: int
    compiled: bool
    trained_seconds: float = 0.0
    network_compiled: bool = False
    notes: list[str] = field(default_factory=list)  # for its row: what could not stay the same, what it goes on from
