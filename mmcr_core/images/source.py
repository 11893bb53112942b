"""Batches of P images with K random views each: everything random drawn on the host, every pixel made on the device."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmcr_core.images.compiled import compiled_stages
from mmcr_core.images.datasets import Images
from mmcr_core.images.views import (
    EAGER,
    PARAMETERS,
    Order,
    ViewParameters,
    draw_order,
    draw_parameters,
    jitters_of,
    make_views,
)
from mmcr_core.randomness import generator
from mmcr_core.spec import RunSpec, ViewSpec
from mmcr_core.staging import Staged


class ImageSource:
    """The batches of a run of `spec`, from `images` on their device. Raises CompilationFailed where it is to be
    `compiled` and cannot.

    `draw(step)` sets a step's random choices and says which order of the jitters it has; `batch(order)` then makes the
    views by device work alone, from tensors that keep their place, so that it can be captured once for each order.
    """

    def __init__(self, spec: RunSpec, images: Images, *, compiled: bool = False) -> None:
        self.spec, self.images = spec, images
        device = images.train.device
        self._kept = kept_images(len(images.train), spec.dataset.limit)
        self.available = len(self._kept)
        self._chosen = Staged((spec.P,), torch.int64, device)
        self._parameters = Staged((len(PARAMETERS), spec.P * spec.K), torch.float32, device)
        self._epoch, self._permutation = -1, np.empty(0, dtype=np.int64)
        self._stages = EAGER
        if compiled:
            self.draw(0)
            self._stages = compiled_stages(self._images(), spec.views, self._drawn())

    @property
    def batch_shape(self) -> tuple[int, int, int, int]:
        """(P * K, C, S, S)."""
        size = self.spec.views.size
        return self.spec.P * self.spec.K, self.images.channels, size, size

    def orders(self) -> Iterator[Order]:
        """Every order that `draw` may say."""
        return itertools.permutations(jitters_of(self.spec.views))

    def draw(self, step: int) -> Order:
        """Choose the images and the views of a step; nothing here waits for the device."""
        rng = generator(self.spec.seed, "views", step)
        order = draw_order(self.spec.views, rng)
        self._chosen.fill(self.chosen(step))
        self._parameters.fill(draw_parameters(self.spec.views, self.spec.P * self.spec.K, self._side, rng))
        return order

    def chosen(self, step: int) -> NDArray[np.int64]:
        """Indices of a step's P images: a new permutation each epoch, its last, smaller batch dropped."""
        points = self.spec.P
        epoch, position = divmod(step, self.available // points)
        if epoch != self._epoch:
            self._permutation = generator(self.spec.seed, "order", epoch).permutation(self._kept)
            self._epoch = epoch
        return self._permutation[position * points : (position + 1) * points]

    def batch(self, order: Order) -> Tensor:
        """(P * K, C, S, S) views of the images chosen last, those of one image consecutive."""
        return make_views(self._images(), self.spec.views, self._drawn(), order, self._stages)

    def _images(self) -> Tensor:
        return self.images.train[self._chosen.tensor]

    def _drawn(self) -> ViewParameters:
        return ViewParameters(*self._parameters.tensor.unbind(0))

    @property
    def _side(self) -> tuple[int, int]:
        return self.images.train.shape[1], self.images.train.shape[3]


def heldout_views(spec: RunSpec, images: Images, batch: int) -> Tensor:
    """(P * K, C, S, S) random views of P held-out images, the same for every network of a run; `batch` from 0."""
    rng = generator(spec.seed, "heldout", batch)
    chosen = torch.from_numpy(rng.permutation(len(images.heldout))[: spec.P]).to(images.heldout.device)
    return random_views(images.heldout[chosen], spec.views, spec.K, rng)


def random_views(images: Tensor, recipe: ViewSpec, views: int, rng: np.random.Generator) -> Tensor:
    """(N, H, C, W) images -> (N * views, C, S, S), the views of one image consecutive."""
    order = draw_order(recipe, rng)
    side = (images.shape[1], images.shape[3])
    drawn = torch.from_numpy(draw_parameters(recipe, len(images) * views, side, rng)).to(images.device)
    return make_views(images, recipe, ViewParameters(*drawn.unbind(0)), order)


def kept_images(available: int, limit: int | None) -> NDArray[np.int64]:
    """Indices of the images that `dataset.limit` keeps of `available`, the same for all seeds: the first of one fixed
    permutation, so that a smaller limit's are among those of a larger one."""
    if limit is None or limit >= available:
        return np.arange(available)
    return np.sort(generator(0, "subset").permutation(available)[:limit])
