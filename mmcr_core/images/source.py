"""Batches of P images with K random views each: everything random drawn on the host, every pixel made on the device."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from mmcr_core.images.datasets import Images
from mmcr_core.images.epochs import Epochs
from mmcr_core.images.staged_views import StagedViews
from mmcr_core.images.views import Order, ViewParameters, draw_order, draw_parameters, make_views
from mmcr_core.randomness import generator
from mmcr_core.spec import RunSpec, ViewSpec
from mmcr_core.staging import Staged


class ImageSource:
    """The batches of a run of `spec`, from `images` on their device. Raises CompilationFailed where it is to be
    `compiled` and cannot.

    `draw(step)` sets a step's random choices and says which order of the jitters it has; `batch(order)` then makes the
    views by device work alone, from tensors that keep their place, so that it can be captured once for each order.
    """

    beside: tuple[Tensor, ...] = ()  # what the network reads beside the views

    def __init__(self, spec: RunSpec, images: Images, *, compiled: bool = False) -> None:
        self.images = images
        device, side = images.train.device, (images.train.shape[1], images.train.shape[3])
        self._epochs = Epochs(len(images.train), spec.dataset.limit, spec.P, spec.seed)
        self.available, self.skipped = self._epochs.available, images.skipped
        self._chosen = Staged((spec.P,), torch.int64, device)
        self._views = StagedViews(spec.views, spec.P, spec.K, side, spec.seed, device)
        self.batch_shape = self._views.shape  # (P * K, C, S, S)
        if compiled:
            self.draw(0)
            self._views.compile(self._images())

    def orders(self) -> Iterator[Order]:
        """Every order that `draw` may say."""
        return self._views.orders()

    def draw(self, step: int) -> Order:
        """Choose the images and the views of a step; nothing here waits for the device."""
        self._chosen.fill(self._epochs.chosen(step))
        return self._views.draw(step)

    def batch(self, order: Order) -> Tensor:
        """(P * K, C, S, S) views of the images chosen last, those of one image consecutive."""
        return self._views.make(self._images(), order)

    def close(self) -> None:
        """Nothing to end."""

    def _images(self) -> Tensor:
        return self.images.train[self._chosen.tensor]


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
