"""A sweep that is trained in rungs: what it knows after each, what it trains next, and when it has done enough.

All of it follows from the rungs that have ended, in the order in which they did, and what is running: whoever asks
again after a crash decides the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from analysis.fitting.forecast.calibration import Calibration, calibrate
from analysis.fitting.forecast.choice import ExpectedFalls
from analysis.fitting.forecast.points import FEWEST_STEPS, Array, Index, Points, places
from analysis.fitting.forecast.process import Process, fit_process
from analysis.fitting.forecast.stopping import CONFIRMED, Target
from analysis.fitting.forecast.trends import Trend
from mmcr_core.theory import final_steps

RUNGS = (1 / 8, 1 / 4, 1 / 2, 1.0)  # of a run's steps, between which it may be paused
GROWTH = 1.2  # of the rungs that have ended, after which hyperparameters are learned anew
SURPRISE = 3.5  # standard deviations, beyond which a setting is trained, not predicted
HALF_NORMAL = 0.6745  # median of |z| of a normal distribution
FRESH = 64  # ended rungs, up to which each decision knows them all; then those of a 64th more at a time
DECIDING = (
    0.02  # of the time of the rung that it buys, at most, goes into a decision; those of short rungs go in batches
)
LONGEST = 0.1  # seconds that a decision may take, beside a twentieth for the choice itself
KNOWING_SECONDS = np.polynomial.Polynomial([0.01, 2e-4, 1e-6])  # to know so many ended rungs, on a core
FLOPS_PER_SECOND = 5e10  # of a core that trains: on what trains faster, rungs that are short have more FLOPs
LARGEST_BATCH = 1 / 8  # of the ended rungs
FEWEST = 3  # rungs, before which there is nothing to learn from


@dataclass(frozen=True)
class Ended:
    """A rung that has ended: the number of its run, the share of the run's steps, and the standardized residual of what
    was predicted of it before (NaN where nothing was)."""

    run: int
    rung: float
    residual: float = math.nan


@dataclass(frozen=True)
class Decision:
    """Train this run up to this share of its steps; `mean` and `sd` of what it will measure there, as a value, and how
    much variance of the targets it is expected to take away for each FLOP."""

    run: int
    rung: float
    mean: float
    sd: float
    fall_per_flop: float


@dataclass(frozen=True)
class Knowledge:
    """What is known of each setting: `mean` of its final value over runs, `variance`, the target's `unit` for each of
    the value there, whether it is `open` (none of its runs was trained to its end), or `unsettled`: open, and not
    begun or not as all others predict, though its runs have rungs on their way; and how far the open ones are from the
    target (met at 1 or less)."""

    process: Process
    calibration: Calibration
    mean: Array
    variance: Array
    unit: Array
    open: NDArray[np.bool_]
    unsettled: NDArray[np.bool_]
    distance: float

    @property
    def is_met(self) -> bool:
        """Whether the target is, and nothing is unsettled."""
        return self.distance <= 1 and not self.unsettled.any()

    @property
    def half_width(self) -> Array:
        """Of each setting's 95% interval, in the target's unit."""
        return self.calibration.half_width(np.sqrt(self.variance)) * self.unit

    @property
    def sd(self) -> Array:
        """Calibrated standard deviation of each setting, in the target's unit."""
        sd: Array = self.calibration.factor * np.sqrt(self.variance) * self.unit
        return sd


def rungs_of(steps: int, settled: int, decays: bool) -> tuple[float, ...]:
    """The rungs of a run of so many steps that is `settled` after its warm-up: none ends before that, or below
    FEWEST_STEPS. A run whose learning rate `decays` has but its end: its errors on the way are not final ones."""
    ends = [(rung, round(rung * steps)) for rung in RUNGS if rung < 1 and not decays]
    return (*(rung for rung, end in ends if end >= FEWEST_STEPS and end - final_steps(end) >= settled), 1.0)


class SequentialDesign:
    """Of runs whose ends are `ends` (its `run`: 0, 1, ...), which cost `flops` whole and have these `rungs`.

    Args: points: what a run measured up to a rung (see `rung_windows`); trend: of points, such as
        `ScalingLaw.near`; target: to be met by the predictions of settings; unit: of the target for one of the value,
        at values (n,): 1 for a relative error of a log; fresh: ended rungs, up to which each decision knows them all.
    """

    def __init__(self, ends: Points, flops: Array, rungs: Sequence[tuple[float, ...]], target: Target,
                 points: Callable[[int, float], Points], trend: Callable[[Points], Trend],
                 unit: Callable[[Array], Array] = np.ones_like, fresh: int = FRESH) -> None:  # fmt: skip
        self.ends, self.flops, self.rungs, self.target = ends, flops, rungs, target
        self.points, self.trend, self.unit, self._fresh = points, trend, unit, fresh
        self._rung_seconds = float(np.median(flops * [each[0] for each in rungs])) / FLOPS_PER_SECOND
        self.settings: Index = ends.setting
        first = np.unique(self.settings, return_index=True)[1]
        pausing = [number for number, each in enumerate(rungs) if len(each) > 1]
        self._pausing = np.isin(np.arange(len(first)), self.settings[pausing])
        each = ends[first]
        self._targets = places(each.P, each.D, each.K, each.steps, each.baseline, each.variant)
        self.knowledge = lru_cache(maxsize=CONFIRMED + 2)(self._knowledge)
        self._falls = lru_cache(maxsize=2)(self._expected_falls)
        self._learned = lru_cache(maxsize=2)(self._learn)

    def reached(self, ended: Sequence[Ended]) -> Array:
        """The share of its steps that each run was trained for."""
        shares = np.zeros(len(self.ends))
        for each in ended:
            shares[each.run] = max(shares[each.run], each.rung)
        return shares

    def considered(self, ended: tuple[Ended, ...]) -> tuple[Ended, ...]:
        """Those of the ended rungs that decisions know, the others counting as running: all while they are few, then a
        growing number, so that deciding stays cheap beside training. It follows from their number, and from what rungs
        cost, alone."""
        count = 0
        while (following := count + self.batch(count)) <= len(ended):
            count = following
        return ended[:count]

    def batch(self, count: int) -> int:
        """How many rungs have to end after so many before decisions know them."""
        most = min(LONGEST, DECIDING * self._rung_seconds)
        cheap = min(KNOWING_SECONDS(count) / most, LARGEST_BATCH * count)
        return max(1, count // self._fresh, int(cheap))

    def enough(self, ended: tuple[Ended, ...], settled: bool = True) -> bool:
        """Whether the target was met by the rung that was considered last and by the two before it, with nothing
        unsettled (unless that is not asked for), or nothing is left to be predicted."""
        if len(np.unique(self.settings[self.reached(ended) == 1])) == len(self._targets):
            return True
        count = len(self.considered(ended))
        if count < FEWEST + CONFIRMED:
            return False
        befores = (ended[: count - back] for back in range(CONFIRMED + 1))
        return all(known.is_met if settled else known.distance <= 1 for known in map(self.knowledge, befores))

    def choose(
        self, ended: tuple[Ended, ...], running: Sequence[tuple[int, float]] = (), by_trend: bool = False
    ) -> Decision | None:
        """What to train next beside what is running; None where everything is trained or running. `by_trend`: as if
        the trend were the truth (a V-optimal design), for comparison."""
        known = self.considered(ended)
        unknown = [(one.run, one.rung) for one in ended[len(known) :]]
        choice = self._chosen(known, sorted([*running, *unknown]), by_trend)
        if choice is None and unknown:  # all that is left has just ended a rung
            choice = self._chosen(ended, sorted(running), by_trend)
        return choice

    def _chosen(
        self, ended: tuple[Ended, ...], running: Sequence[tuple[int, float]], by_trend: bool
    ) -> Decision | None:
        known, reached, busy = self.knowledge(ended), self.reached(ended), {run for run, _ in running}
        places, at = self._candidates(reached)
        free = [min((run for run in runs if run not in busy), key=lambda run: self.flops[run], default=-1)
                for runs in places]  # fmt: skip
        left = np.flatnonzero(np.array(free) >= 0)
        if not len(left):
            return None
        runs = np.array(free)[left]
        underway = self._at([run for run, _ in running], np.array([rung for _, rung in running]))
        weights = self.target.weights(known.half_width) * known.open * known.unit**2
        falls = self._falls(ended, by_trend)(weights, underway)[left]
        rate = falls / (self.flops[runs] * (at[left] - reached[runs]))
        unsettled = known.unsettled[self.settings[runs]]
        if known.distance <= 1 and unsettled.any():
            rate = np.where(unsettled, rate, -np.inf)
        best = np.lexsort((runs, -rate))[0]
        return self.expected(ended, int(runs[best]), float(at[left][best]), float(rate[best]))

    def _candidates(self, reached: Array) -> tuple[list[list[int]], Array]:
        """Runs that could be trained on, those that are alike (of a setting, and not begun) together, and the rungs
        that they would reach."""
        begun = [[int(run)] for run in np.flatnonzero((reached > 0) & (reached < 1))]
        new: dict[tuple[int, float], list[int]] = {}
        for run in map(int, np.flatnonzero(reached == 0)):
            new.setdefault((int(self.settings[run]), self.rungs[run][0]), []).append(run)
        alike = [*begun, *new.values()]
        return alike, np.array([next(rung for rung in self.rungs[a] if rung > reached[a]) for a, *_ in alike])

    def _expected_falls(self, ended: tuple[Ended, ...], by_trend: bool) -> ExpectedFalls:
        process = self.knowledge(ended).process
        alike, rungs = self._candidates(self.reached(ended))
        candidates = self._at([runs[0] for runs in alike], rungs)
        return ExpectedFalls(process.of_trend_alone() if by_trend else process, self._targets, candidates)

    def expected(self, ended: tuple[Ended, ...], run: int, rung: float, fall_per_flop: float = 0.0) -> Decision:
        """The decision to train this run up to this rung, with what is expected there."""
        process = self.knowledge(ended).process
        mean, variance = process.predict(self._at([run], np.array([rung])))
        return Decision(run, rung, float(mean[0]), float(np.sqrt(variance[0] + process.mode.noise**2)), fall_per_flop)

    def _at(self, runs: Sequence[int], rungs: Array) -> Points:
        """Where these runs will be measured at the ends of these rungs."""
        ends = self.ends[np.asarray(runs, int)]
        return replace(ends, steps=ends.steps * rungs)

    def _knowledge(self, ended: tuple[Ended, ...]) -> Knowledge:
        process = self._learned(ended[: _learned_at(len(ended))])
        if len(ended) > _learned_at(len(ended)):
            process = process.extended(self.measured(ended))
        before = np.array([each.residual for each in ended])
        calibration = calibrate(process, before[np.isfinite(before)])
        mean, variance = process.predict(self._targets)
        reached = self.reached(ended)
        finished = np.unique(self.settings[reached == 1])
        open_settings = ~np.isin(np.arange(len(self._targets)), finished)
        unsettled = open_settings & self._pausing & ~self._as_predicted(process)
        known = Knowledge(process, calibration, mean, variance, self.unit(mean), open_settings, unsettled, 0.0)
        return replace(known, distance=self.target.distance(known.sd[open_settings], known.half_width[open_settings]))

    def _as_predicted(self, process: Process) -> NDArray[np.bool_]:
        """Which settings were measured, and lie where all others say: that one breaks the law is seen there alone."""
        if not len(process.points):
            return np.zeros(len(self._targets), bool)
        found = process.each_left_out
        off = np.abs(found.standardized)
        usual = max(1.0, float(np.median(off)) / HALF_NORMAL)
        fits = dict(zip(_keys(found.at), off / usual < SURPRISE, strict=True))
        return np.array([fits.get(key, False) for key in _keys(self._targets)])

    def _learn(self, ended: tuple[Ended, ...]) -> Process:
        points = self.measured(ended)
        return fit_process(points, self.trend(points))

    def measured(self, ended: tuple[Ended, ...]) -> Points:
        """What was measured up to all of these rungs."""
        reached = self.reached(ended)
        parts = [self.points(int(run), float(reached[run])) for run in np.flatnonzero(reached)]
        return Points.concatenate(parts)


def _keys(at: Points) -> list[tuple[float, ...]]:
    return list(zip(*(column.tolist() for column in (at.variant, at.P, at.D, at.K)), strict=True))


def _learned_at(count: int) -> int:
    """Up to which of the ended rungs hyperparameters are learned, of so many: 3, 4, 5, 6, 8, 10, 12, ..."""
    if count < FEWEST:
        return 0
    at = FEWEST
    while (following := max(at + 1, math.floor(GROWTH * at))) <= count:
        at = following
    return at
