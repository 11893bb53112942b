"""Where a difference that was measured at a few places changes its sign, with an interval over replicates.

Between places the difference is a straight line, of each replicate for itself. A place belongs to the interval of a
crossing where Student's t over the replicates cannot tell the difference there from 0 (Fieller's set): it holds the
true crossing as often as it says, with two replicates as with ten, and needs no draws, of which two or three replicates
allow only a handful that differ.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.fitting.resampling import student_half_width

Array = NDArray[np.float64]
STEPS = 128  # from one place to the next, at which the difference is judged; ends of intervals lie on them
KINDS = ("once", "more than once", "never", "undecided", "no interval")


@dataclass(frozen=True)
class Crossing:
    """What differences at places say of a change of sign.

    kind: `once` (of one clear sign, then clearly of the other), `more than once`, `never` (clearly of the same sign at
        all places), `undecided`, or `no interval` (one replicate).
    location: where the mean crosses; NaN where it does not, or more than once and noise may be why. low, high: its
        interval, of kind `once` only, else NaN.
    signs: (n,) at each place 1, -1, or 0 where the interval of the difference holds 0.
    mean: (n,) of the difference.
    """

    kind: str
    location: float
    low: float
    high: float
    signs: NDArray[np.int64]
    mean: Array


def find_crossing(x: Array, differences: Array) -> Crossing:
    """Judge where the difference crosses 0.

    Args: x: (n,) places in rising order; differences: (replicates, n), without NaN.
    Raises: ValueError for other shapes, places that do not rise, or what is not finite.
    """
    x, differences = np.asarray(x, float), np.asarray(differences, float)
    if differences.ndim != 2 or differences.shape[1:] != x.shape or not differences.size:
        raise ValueError(f"differences of shape {differences.shape} at places of shape {x.shape}")
    if not (np.isfinite(differences).all() and np.isfinite(x).all() and (np.diff(x) > 0).all()):
        raise ValueError("places must rise, and all numbers be finite")
    mean, signs = differences.mean(axis=0), clear_signs(differences)
    changes = sign_changes(x, mean)
    lone, nothing = float(changes[0]) if len(changes) == 1 else float("nan"), float("nan")
    if len(differences) == 1:
        return Crossing("no interval", lone, nothing, nothing, signs, mean)
    clear = signs[signs != 0]
    turns = int((np.diff(clear) != 0).sum())
    if turns > 1:
        return Crossing("more than once", nothing, nothing, nothing, signs, mean)
    if turns == 1:
        last, first = np.flatnonzero(signs == clear[0])[-1], np.flatnonzero(signs == clear[-1])[0]
        between = slice(last, first + 1)
        low, high = _interval(x[between], differences[:, between])
        within = changes[(changes >= low) & (changes <= high)]
        return Crossing("once", float(np.median(within)), low, high, signs, mean)
    return Crossing("never" if (signs != 0).all() else "undecided", lone, nothing, nothing, signs, mean)


def clear_signs(differences: Array) -> NDArray[np.int64]:
    """(n,) signs of means over replicates (replicates, n); 0 where Student's interval holds 0, or of one replicate."""
    count = len(differences)
    if count < 2:
        return np.zeros(differences.shape[1], int)
    mean = differences.mean(axis=0)
    half = student_half_width(differences.std(axis=0, ddof=1), count)
    return np.where(np.abs(mean) > half, np.sign(mean), 0).astype(int)


def sign_changes(x: Array, y: Array) -> Array:
    """Where the straight lines through (x, y) go from one side of 0 to the other; in the middle of a stretch of 0."""
    there = np.flatnonzero(y)
    found = []
    for i, j in itertools.pairwise(there):
        if y[i] * y[j] < 0:
            between = x[i] + (x[j] - x[i]) * y[i] / (y[i] - y[j])
            found.append(between if j == i + 1 else (x[i + 1] + x[j - 1]) / 2)
    return np.array(found, float)


def _interval(x: Array, differences: Array) -> tuple[float, float]:
    """From the last place that is clearly of the sign at x[0], before any of the other, to the first that is clearly
    of that at x[-1], after any of the first; between the places of x too, where lines are straight."""
    parts = [np.linspace(a, b, STEPS, endpoint=False) for a, b in itertools.pairwise(x)]
    places = np.append(np.concatenate(parts), x[-1])
    signs = clear_signs(np.stack([np.interp(places, x, row) for row in differences]))
    before, after = places[signs == signs[0]], places[signs == signs[-1]]
    return float(before[before < after[0]].max()), float(after[after > before[-1]].min())
