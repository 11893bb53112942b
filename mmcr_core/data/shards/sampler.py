"""Which samples a step of a run sees: a pure function of seed, step and the shards' counts, which keeps reads local.

By epochs: the shards are permuted, and the samples of each 8 consecutive ones are permuted among each other; that
group of shards is the window in which samples mix. With replacement: for as many steps as 8 shards last, 8 shards are
drawn with probabilities in proportion to their samples, and each sample of a step is drawn from one of the eight, so
that every sample of the set is equally likely. Changing anything here changes the numbers of runs.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmcr_core.rng import generator

GROUP = 8  # shards in which samples mix
Chosen = NDArray[np.int64]  # (points, 2): number of the shard, place of the sample in it


@dataclass(frozen=True, eq=False)
class ShardOrder:
    """`counts`: training samples of each shard; `points`: samples of a step; `sampling`: epochs or replacement."""

    counts: tuple[int, ...]
    points: int
    seed: int
    sampling: str

    @property
    def ahead(self) -> int:
        """How many steps ahead of a step it is time to open shards: half of a group."""
        shards = int(np.count_nonzero(self.counts))
        return max(1, GROUP * sum(self.counts) // shards // self.points // 2)

    def chosen(self, step: int) -> Chosen:
        """(points, 2) of a step: shards and places."""
        return _with_replacement(self, step) if self.sampling == "replacement" else _of_epoch(self, step)

    def window(self, step: int) -> frozenset[int]:
        """Numbers of the shards that are open at a step."""
        if self.sampling == "replacement":
            return frozenset(_drawn(self, _stretch(self, step)).tolist())
        epoch, first, last = _span(self, step)
        groups = _groups(self, epoch, first, last)
        return frozenset(_epoch(self, epoch)[0][groups.start * GROUP : groups.stop * GROUP].tolist())


@dataclass(frozen=True, eq=False)
class FixedOrder:
    """Samples of a list, (N, 2), in its order, `points` a step, the last step repeating its last sample."""

    listed: Chosen
    points: int
    ahead: int = 1

    def chosen(self, step: int) -> Chosen:
        places = np.arange(step * self.points, (step + 1) * self.points)
        taken: Chosen = self.listed[np.minimum(places, len(self.listed) - 1)]
        return taken

    def window(self, step: int) -> frozenset[int]:
        return frozenset(self.chosen(step)[:, 0].tolist())


def _span(order: ShardOrder, step: int) -> tuple[int, int, int]:
    """Epoch of a step, and the part of the epoch that it takes: the last, smaller batch is dropped."""
    epoch, place = divmod(step, sum(order.counts) // order.points)
    return epoch, place * order.points, (place + 1) * order.points


@functools.lru_cache(maxsize=4)
def _of_epoch(order: ShardOrder, step: int) -> Chosen:
    epoch, first, last = _span(order, step)
    _, begins = _epoch(order, epoch)
    parts = []
    for number in _groups(order, epoch, first, last):
        begin = int(begins[number])
        parts.append(_group(order, epoch, number)[max(0, first - begin) : last - begin])
    return np.concatenate(parts)


def _groups(order: ShardOrder, epoch: int, first: int, last: int) -> range:
    """Numbers of the groups in which samples first..last-1 of an epoch lie."""
    _, begins = _epoch(order, epoch)
    return range(int(np.searchsorted(begins, first, "right")) - 1, int(np.searchsorted(begins, last, "left")))


@functools.lru_cache(maxsize=4)
def _epoch(order: ShardOrder, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Shards that have training samples, permuted, and where each group of them begins, with the end of the last."""
    used = np.flatnonzero(order.counts)
    shards = generator(order.seed, "shards", epoch * (len(used) + 1)).permutation(used)
    sizes = np.asarray(order.counts)[shards]
    ends = np.cumsum(sizes)
    return shards, np.concatenate([[0], ends[GROUP - 1 : -1 : GROUP], ends[-1:]])


@functools.lru_cache(maxsize=4)
def _group(order: ShardOrder, epoch: int, number: int) -> Chosen:
    """(N, 2) samples of a group, permuted."""
    shards, _ = _epoch(order, epoch)
    samples = np.concatenate(
        [
            np.stack([np.full(order.counts[shard], shard), np.arange(order.counts[shard])], axis=1)
            for shard in shards[number * GROUP : (number + 1) * GROUP]
        ]
    )
    return generator(order.seed, "shards", epoch * (len(shards) + 1) + 1 + number).permutation(samples)


def _stretch(order: ShardOrder, step: int) -> int:
    """Which of the stretches of steps that share their shards a step lies in."""
    return step // (2 * order.ahead)


@functools.lru_cache(maxsize=8)
def _drawn(order: ShardOrder, stretch: int) -> NDArray[np.int64]:
    """Shards of a stretch, perhaps some twice; all of them where they are no more than a group."""
    counts = np.asarray(order.counts)
    if np.count_nonzero(counts) <= GROUP:
        return np.flatnonzero(counts)
    return generator(order.seed, "shards", 2 * stretch).choice(len(counts), GROUP, p=counts / counts.sum())


@functools.lru_cache(maxsize=4)
def _with_replacement(order: ShardOrder, step: int) -> Chosen:
    shards, rng = _drawn(order, _stretch(order, step)), generator(order.seed, "shards", 2 * step + 1)
    counts = np.asarray(order.counts)[shards]
    if len(shards) < GROUP or np.count_nonzero(order.counts) <= GROUP:  # all of them: as often as they have samples
        slots = rng.choice(len(shards), order.points, p=counts / counts.sum())
    else:
        slots = rng.integers(len(shards), size=order.points)
    return np.stack([shards[slots], rng.integers(counts[slots])], axis=1)
