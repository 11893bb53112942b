"""How the cells of a launch ended."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Outcome:
    """run_ids by how they ended, with the reason of each that did not finish; `finished_before` the launch."""

    finished_before: int = 0
    finished: list[str] = field(default_factory=list)
    unfinished: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False
    timed_out: bool = False
