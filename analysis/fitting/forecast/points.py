"""Runs as points: what was measured at the ends of rungs of training, and where something is to be predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmcr_core.theory import FINAL_SHARE, final_steps

Array = NDArray[np.float64]
Index = NDArray[np.intp]

FRACTIONS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)  # of a run's steps: a point ends at each
WINDOW = FINAL_SHARE  # of the steps so far, over which a point is a mean as a run's final percent error is
BATCHES = 8  # of consecutive steps, whose means are nearly independent
FEWEST_STEPS = 40  # before the first point
UNKNOWN_NOISE = 0.01  # relative standard error of a mean over too few steps to tell


@dataclass(frozen=True)
class Points:
    """n places in (P, D, K, steps), each of a run. `steps`: in the middle of the window; `baseline`: e_inf(P, D);
    `variant`, `run`: numbers, equal for points of one variant and one run (run -1: of none that was measured);
    `replicates`: runs whose mean it is (infinite: the expectation over runs); `value`: log percent error or a logit,
    NaN where nothing was measured; `variance`: that of the measured mean's value over its window. All of shape (n,)."""

    P: Array
    D: Array
    K: Array
    steps: Array
    baseline: Array
    variant: Index
    run: Index
    replicates: Array
    value: Array
    variance: Array

    def __len__(self) -> int:
        return len(self.P)

    def __getitem__(self, index: ArrayLike) -> Points:
        return Points(**{name: column[index] for name, column in vars(self).items()})

    @property
    def setting(self) -> Index:
        """Numbers 0, 1, ..., equal for points of one variant, P, D and K."""
        keys = np.stack([self.variant.astype(float), self.P, self.D, self.K], axis=1)
        return np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)

    @property
    def last(self) -> Array:
        """Weights of points whose sum over a setting is its last value, the mean over its runs that are that far."""
        setting = self.setting
        steps = np.zeros(setting.max(initial=-1) + 1)
        np.maximum.at(steps, setting, self.steps)
        weight = np.where(self.steps == steps[setting], self.replicates, 0.0)
        weights: Array = weight / np.bincount(setting, weight)[setting]
        return weights

    @classmethod
    def concatenate(cls, parts: Sequence[Points]) -> Points:
        """All points of `parts`, in order."""
        empty = places(*np.zeros((5, 0)))
        return cls(
            **{one.name: np.concatenate([getattr(part, one.name) for part in (empty, *parts)]) for one in fields(cls)}
        )


def places(P: ArrayLike, D: ArrayLike, K: ArrayLike, steps: ArrayLike, baseline: ArrayLike, variant: ArrayLike = 0,
           run: ArrayLike = -1, replicates: ArrayLike = np.inf) -> Points:  # fmt: skip
    """Where something is to be predicted: arrays that are broadcast against each other to (n,). By default, the
    expectation over runs."""
    given = (P, D, K, steps, baseline, variant, run, replicates)
    columns = [np.array(column) for column in np.broadcast_arrays(*(np.atleast_1d(each) for each in given))]
    P, D, K, steps, baseline, replicates = (columns[i].astype(float) for i in (0, 1, 2, 3, 4, 7))
    nothing = np.full(len(P), np.nan)
    return Points(P, D, K, steps, baseline, columns[5].astype(np.intp), columns[6].astype(np.intp), replicates,
                  nothing, np.zeros(len(P)))  # fmt: skip


def rung_windows(steps: int, total: int, settled: int) -> list[tuple[int, int]]:
    """First and end of the steps over which a run of `total` steps, trained for `steps`, has its points: none that
    begins before `settled`, the end of the warm-up's aftermath, or ends before FEWEST_STEPS, but for its end."""
    ends = [(round(part * total), part == 1) for part in FRACTIONS]
    windows = [(end - final_steps(end), end, last) for end, last in ends if 0 < end <= steps]
    return [(first, end) for first, end, last in windows if last or (first >= settled and end >= FEWEST_STEPS)]


def relative_error(errors: Array) -> float:
    """Relative standard error of the mean of consecutive, autocorrelated values, by means over batches of them."""
    if len(errors) < BATCHES:
        return UNKNOWN_NOISE
    means = np.array([part.mean() for part in np.array_split(errors, BATCHES)])
    return float(means.std(ddof=1) / np.sqrt(BATCHES) / abs(errors.mean()))


def pooled(points: Points, most: int) -> Points:
    """The same, with no more than `most` curves of a setting: means over groups of runs that have the same steps.

    Work grows with the cube of the points, and replicates tell little that their mean does not.
    """
    parts = []
    order = np.argsort(points.setting, kind="stable")
    starts = np.flatnonzero(np.diff(points.setting[order])) + 1
    for index in np.split(order, starts) if len(points) else []:
        mine = points[index]
        runs = np.unique(mine.run)
        curves = {run: mine[mine.run == run] for run in runs}
        alike: dict[tuple[float, ...], list[Points]] = {}
        for curve in curves.values():
            alike.setdefault(tuple(curve.steps), []).append(curve)
        room = max(1, most // len(alike))
        for group in alike.values():
            parts += [_mean(group[first::room]) for first in range(min(room, len(group)))]
    return Points.concatenate(parts)


def thinned(points: Points, most: int) -> Points:
    """The same, with no more than `most` points if there are no more runs: the last of each run, then those before
    the last, and so on."""
    if len(points) <= most:
        return points
    order = np.lexsort((-points.steps, points.run))
    runs, first = np.unique(points.run[order], return_index=True)
    from_last = np.arange(len(order)) - np.repeat(first, np.diff([*first, len(order)]))
    kept = order[np.argsort(from_last, kind="stable")][: max(most, len(runs))]
    return points[np.sort(kept)]


def _mean(curves: list[Points]) -> Points:
    count = float(len(curves))
    return replace(
        curves[0],
        replicates=np.full(len(curves[0]), count),
        value=np.mean([curve.value for curve in curves], axis=0),
        variance=np.mean([curve.variance for curve in curves], axis=0) / count,
    )
