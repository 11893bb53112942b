"""A number that was measured of a network, and the intervals that such numbers have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

LEVEL = 0.95  # of intervals
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """One number that was measured: `subject` says of what, `low` and `high` are its 95% interval, `count` how many
    batches or images stand behind it. `value` is None where there is nothing to measure it on."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    count: int = 0
    subject: str = ""

    @property
    def title(self) -> str:
        """Its name, with its subject where it has one."""
        return f"{self.name} of {self.subject}" if self.subject else self.name


def deviation(measured: Measure) -> float | None:
    """Standard deviation between the batches behind a held-out mean; None for a single one."""
    if measured.low is None or measured.high is None:
        return None
    half = (measured.high - measured.low) / 2
    return float(half * np.sqrt(measured.count) / stdtrit(measured.count - 1, (1 + LEVEL) / 2))


def mean_of(name: str, values: ArrayLike) -> Measure:
    """The mean of independent values (n,), n >= 1, with Student's interval."""
    numbers: Array = np.asarray(values, dtype=np.float64)
    mean, count = float(numbers.mean()), len(numbers)
    if count < 2:
        return Measure(name, mean, count=count)
    half = float(stdtrit(count - 1, (1 + LEVEL) / 2) * numbers.std(ddof=1) / np.sqrt(count))
    return Measure(name, mean, mean - half, mean + half, count)


def share_of(name: str, hits: NDArray[np.bool_], subject: str = "") -> Measure:
    """The share of hits (n,), with Wilson's interval."""
    count = len(hits)
    from scipy.stats import binomtest  # takes a second to import, which plans do without

    interval = binomtest(int(hits.sum()), count).proportion_ci(LEVEL, "wilson")
    return Measure(name, float(hits.mean()), float(interval.low), float(interval.high), count, subject)


def gain_of(name: str, now: NDArray[np.bool_], before: NDArray[np.bool_], subject: str = "") -> Measure:
    """The share of hits now less that before, on the same images (n,), with an interval for paired shares.

    Source: Newcombe 1998, "Improved confidence intervals for the difference between binomial proportions based on
    paired data", method 10: Wilson's limits of both shares, put together by the correlation of the hits.
    """
    count = len(now)
    both, neither = int((now & before).sum()), int((~now & ~before).sum())
    new, lost = int((now & ~before).sum()), int((~now & before).sum())
    margins = float(both + new) * (lost + neither) * (both + lost) * (new + neither)
    agreement = float(both * neither - new * lost)
    agreement = max(agreement - count / 2, 0.0) if agreement > 0 else agreement  # Newcombe's correction
    phi = agreement / np.sqrt(margins) if margins else 0.0
    one, other = share_of("", now), share_of("", before)
    assert one.value is not None and one.low is not None and one.high is not None
    assert other.value is not None and other.low is not None and other.high is not None

    def together(of_one: float, of_other: float) -> float:
        return float(np.sqrt(of_one**2 - 2 * phi * of_one * of_other + of_other**2))

    value = one.value - other.value
    low = value - together(one.value - one.low, other.high - other.value)
    high = value + together(one.high - one.value, other.value - other.low)
    return Measure(name, value, low, high, count, subject)


def jackknife(name: str, value: float, without: ArrayLike, count: int) -> Measure:
    """A smooth function of a sample, with the interval that its values `without` each of g equal groups give it."""
    parts: Array = np.asarray(without, dtype=np.float64)
    groups = len(parts)
    error = np.sqrt((groups - 1) / groups * ((parts - parts.mean()) ** 2).sum())
    half = float(stdtrit(groups - 1, (1 + LEVEL) / 2) * error)
    return Measure(name, value, value - half, value + half, count)
