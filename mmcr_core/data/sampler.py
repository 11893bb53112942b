"""Which images each step has: a new permutation each epoch, its last, smaller batch dropped."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmcr_core.rng import generator


class Epochs:
    """The batches of `points` of the images that `dataset.limit` keeps of `available`, in the order of a seed."""

    def __init__(self, available: int, limit: int | None, points: int, seed: int) -> None:
        self._kept = kept_images(available, limit)
        self._points, self._seed = points, seed
        self._epoch, self._permutation = -1, np.empty(0, dtype=np.int64)
        self.available = len(self._kept)

    def chosen(self, step: int) -> NDArray[np.int64]:
        """Indices of a step's images."""
        points = self._points
        epoch, position = divmod(step, self.available // points)
        if epoch != self._epoch:
            self._permutation = generator(self._seed, "order", epoch).permutation(self._kept)
            self._epoch = epoch
        return self._permutation[position * points : (position + 1) * points]


def kept_images(available: int, limit: int | None) -> NDArray[np.int64]:
    """Indices of the images that `dataset.limit` keeps of `available`, the same for all seeds: the first of one fixed
    permutation, so that a smaller limit's are among those of a larger one."""
    if limit is None or limit >= available:
        return np.arange(available)
    return np.sort(generator(0, "subset").permutation(available)[:limit])
