"""A claim: what is said, who says it, how a sweep judges it, which figure shows it and which grid trains it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from analysis.verdicts.evidence import Evidence
from analysis.verdicts.verdict import Verdict


class Source(StrEnum):
    """Whose a claim is."""

    PAPER = "paper"
    OURS = "ours"


class Scope(StrEnum):
    """What a claim is judged of: the runs of one objective, those of one variant of it (which has a joint scaling law
    of its own), or all runs of a sweep together."""

    OBJECTIVE = "objective"
    VARIANT = "variant"
    SWEEP = "sweep"


@dataclass(frozen=True)
class Claim:
    """`name`: of rows and headings; `statement`: the sentence; `judge` gives the verdict on the evidence of a `scope`;
    `figures`: the stems of those that show it, which `script` draws; `grid`: one in sweeps/grids whose sweep can be
    judged; `effect_first`: its first effect decides, and no count."""

    id: str
    name: str
    source: Source
    statement: str
    judge: Callable[[Evidence], Verdict]
    figures: tuple[str, ...]
    script: str
    grid: str
    scope: Scope = Scope.OBJECTIVE
    effect_first: bool = False
