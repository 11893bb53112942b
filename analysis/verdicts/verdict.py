"""A verdict as a value: a decision, the effects and counts that it was computed from, and an explanation for people.

A decision that one interval makes is made by `below`, `above` or `within`, so that it cannot contradict its effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from analysis.estimates.peak_effects import Contrast


class Decision(StrEnum):
    """What a sweep says of a claim."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    UNDECIDED = "undecided"
    NOT_TESTED = "not_tested"

    @property
    def label(self) -> str:
        """For people."""
        return self.value.replace("_", " ")


QUARTILES = "quartiles"  # of an effect's interval, in the place of what a 95% interval is over


@dataclass(frozen=True)
class Effect:
    """A number with its interval: `what` was measured, `value`, `low`, `high` (NaN where there is no interval), in
    `unit`; the interval is at 95% over `over`, or what that says it is. `digits`, `signed`: how it is shown."""

    what: str
    value: float
    low: float = float("nan")
    high: float = float("nan")
    over: str = ""
    unit: str = ""
    digits: int = 3
    signed: bool = True


@dataclass(frozen=True)
class Count:
    """`number` of `total` units for which `what` is true; `detail`: what of it differs from sweep to sweep."""

    number: int
    total: int
    what: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.number} of {self.total} {self.what} {self.detail}".rstrip()


@dataclass(frozen=True)
class Verdict:
    """A decision with what it was computed from, the deciding effect first. `few`: too few cells are behind it to be
    set beside other sweeps in a table."""

    decision: Decision
    effects: tuple[Effect, ...] = ()
    counts: tuple[Count, ...] = ()
    explanation: str = ""
    few: bool = False

    @property
    def effect(self) -> Effect | None:
        """The effect that decides; None where counts decide, or nothing was measured."""
        return self.effects[0] if self.effects else None

    @property
    def measured(self) -> bool:
        """Whether there is a number to show beside those of other sweeps."""
        return bool(self.effects or self.counts) and not self.few


def effect_of(what: str, found: Contrast, digits: int = 3, unit: str = "") -> Effect:
    """A contrast's mean with its interval over seeds (of one seed: over cells)."""
    over = found.over if np.isfinite(found.low) else found.without
    return Effect(what, found.mean, found.low, found.high, over, unit, digits)


def below(effect: Effect, bound: float = 0.0) -> Decision:
    """Whether the whole interval lies below `bound` (confirmed), or above it (refuted)."""
    return _one_of(effect.high < bound, effect.low > bound)


def above(effect: Effect, bound: float = 0.0) -> Decision:
    """Whether the whole interval lies above `bound` (confirmed), or below it (refuted)."""
    return _one_of(effect.low > bound, effect.high < bound)


def within(margin: float, deciding: Effect, *others: Effect) -> Decision:
    """Whether all known intervals lie within `margin` of 0 (confirmed), or the deciding one lies outside (refuted)."""
    known = [each for each in (deciding, *others) if np.isfinite(each.low)]
    inside = np.isfinite(deciding.low) and all(-margin <= each.low and each.high <= margin for each in known)
    return _one_of(bool(inside), deciding.low > margin or deciding.high < -margin)


def _one_of(confirmed: bool, refuted: bool) -> Decision:
    return Decision.CONFIRMED if confirmed else Decision.REFUTED if refuted else Decision.UNDECIDED
