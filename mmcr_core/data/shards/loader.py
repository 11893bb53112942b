"""The batches of a run on shards, and the samples that are held out: what training and evaluation ask for.

What a step has follows from its number, whatever the number of processes and whichever steps came before.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from mmcr_core.data.image_set import ContentChanged, DatasetError
from mmcr_core.data.image_text.captions import Encode
from mmcr_core.data.shards.cache import of_no_use
from mmcr_core.data.shards.decode_pool import Batch, ShardPool
from mmcr_core.data.shards.decode_worker import Job, most_are_broken
from mmcr_core.data.shards.metadata import forget
from mmcr_core.data.shards.sampler import FixedOrder, ShardOrder
from mmcr_core.data.shards.shard_set import ShardSet

MOST_HELDOUT = 4096
HELDOUT_SHARDS = 16  # of which held-out samples are read
HELDOUT_POINTS = 128  # decoded at a time
Texts = list[tuple[str, ...]]


class ShardReader:
    """Batches of `points` samples at `size` pixels with `captions` captions each, decoded by `processes`.

    `encode`: n texts -> (n, L) tokens, picklable, called in the processes. `skipped`: samples that could not be used
    so far, each once, with the reason; the next whole one of the same shard stands for each. Raises: DatasetError
    where there are fewer samples than `points`.
    """

    def __init__(
        self,
        shards: ShardSet,
        *,
        size: int,
        points: int,
        captions: int,
        seed: int,
        sampling: str,
        processes: int,
        encode: Encode,
    ) -> None:
        if sampling == "epochs" and points > shards.train:
            raise DatasetError(f"a batch has {points} samples, but the shards only {shards.train} to train on")
        order = ShardOrder(shards.training, points, seed, sampling)
        length = int(np.asarray(encode(["a"])).shape[1])
        job = Job(shards.shards, order, size, captions, seed, shards.training, encode, length, 0, shards.max_pixels)
        self._shards, self._pool = shards, ShardPool(job, processes)
        self._skipped: dict[tuple[int, int], str] = {}
        self._broken: Counter[int] = Counter()

    @property
    def skipped(self) -> tuple[str, ...]:
        return tuple(self._skipped.values())

    def batch(self, step: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Pixels (points, size, 3, size) and tokens (points, captions, L) of a step.

        Raises: ContentChanged where a shard is not what was planned; DatasetError where one has vanished or most of
        its samples are broken; RuntimeError where a process ended, after which another call starts them anew.
        """
        pixels, tokens, found = _taken(self._pool, self._shards, step)
        for shard, place, what in found.broken:
            if (shard, place) not in self._skipped:
                self._skipped[shard, place] = what
                self._broken[shard] += 1
                if 2 * self._broken[shard] > self._shards.training[shard]:
                    raise of_no_use(self._shards.shards[shard].where, most_are_broken(what))
        return pixels, tokens

    def close(self) -> None:
        """End the processes."""
        self._pool.close()


def heldout(shards: ShardSet, size: int) -> tuple[NDArray[np.uint8], Texts, tuple[str, ...]]:
    """Held-out samples, at most 4,096, evenly spaced in at most 16 evenly spaced shards: pixels (N, size, 3, size), the
    captions of each, and what was skipped. Raises as `ShardReader.batch`, and DatasetError where none is left."""
    chosen = _spread(shards)
    points = min(HELDOUT_POINTS, len(chosen))
    steps = -(-len(chosen) // points)
    job = Job(shards.shards, FixedOrder(chosen, points), size, 0, 0, None, None, 0, 0, shards.max_pixels)
    pool = ShardPool(job, min(shards.processes, steps), steps - 1)
    pixels = np.empty((len(chosen), size, 3, size), np.uint8)
    texts: Texts = []
    skipped: dict[tuple[int, int], str] = {}
    try:
        for step in range(steps):
            found_pixels, _, found = _taken(pool, shards, step)
            wanted = range(min(points, len(chosen) - step * points))
            rows = [row for row in wanted if row not in found.absent]
            pixels[len(texts) : len(texts) + len(rows)] = found_pixels[rows]
            texts += [found.texts[row] for row in rows]
            skipped |= {(shard, place): what for shard, place, what in found.broken}
    finally:
        pool.close()
    if not texts:
        raise DatasetError(f"no held-out sample can be read; the first one is {next(iter(skipped.values()))}")
    return pixels[: len(texts)], texts, tuple(skipped.values())


def _spread(shards: ShardSet) -> NDArray[np.int64]:
    """(N, 2) shards and places of the held-out samples that are read."""
    kept = [number for number, shard in enumerate(shards.shards) if shard.samples > shards.training[number]]
    read = [kept[i] for i in _evenly(len(kept), HELDOUT_SHARDS)]
    every = np.array(
        [(number, place) for number in read for place in range(shards.training[number], shards.shards[number].samples)]
    )
    spread: NDArray[np.int64] = every[_evenly(len(every), MOST_HELDOUT)]
    return spread


def _evenly(available: int, most: int) -> NDArray[np.int64]:
    """Indices of `most` of `available`, evenly spaced; all of them where they are no more."""
    return np.arange(min(available, most)) * available // min(available, most)


def _taken(pool: ShardPool, shards: ShardSet, step: int) -> tuple[NDArray[np.uint8], NDArray[np.int64], Batch]:
    try:
        return pool.batch(step)
    except ContentChanged as error:
        for shard in shards.shards:
            if error.place == f"shard {shard.where}":
                forget(shard.where, shards.max_pixels)  # so that the next launch reads the file
        raise
