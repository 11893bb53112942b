"""Batches of P images with K random views each: everything random drawn on the host, every pixel made on the device."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from mmcr_core.augmentation.augmentation_pipeline import StagedViews
from mmcr_core.augmentation.augmentations import Order, ViewParameters, draw_order, draw_parameters, make_views
from mmcr_core.config.run import RunSpec, ViewSpec
from mmcr_core.data.image_set import Images
from mmcr_core.data.sampler import Epochs
from mmcr_core.device_buffers import Staging
from mmcr_core.rng import generator


class ImageSource:
    """The batches of a run of `spec`, from `images` on their device.

    `draw(step)` sets a step's random choices, sends them with all else in `staging`, and says which order of the
    jitters the step has; `batch(order)` then makes the views by device work alone, from tensors that keep their place,
    so that it can be captured once for each order.
    """

    extra_inputs: tuple[Tensor, ...] = ()  # what the network reads beside the views

    def __init__(self, spec: RunSpec, images: Images, staging: Staging | None = None) -> None:
        self.images = images
        device, side = images.train.device, (images.train.shape[1], images.train.shape[3])
        self._epochs = Epochs(len(images.train), spec.dataset.limit, spec.P, spec.seed)
        self.available, self.skipped = self._epochs.available, images.skipped
        self._staging = staging or Staging(device)
        self._chosen = self._staging.add((spec.P,), torch.int64)
        self._views = StagedViews(spec.views, spec.P, spec.K, side, spec.seed, self._staging)
        self.batch_shape = self._views.shape  # (P * K, C, S, S)

    def graph_keys(self) -> Iterator[Order]:
        """Every order that `draw` may say."""
        return self._views.graph_keys()

    def prepare_step(self, step: int) -> Order:
        """Choose the images and the views of a step; nothing here waits for the device."""
        self._chosen.fill(self._epochs.chosen(step))
        order = self._views.prepare_step(step)
        self._staging.send()
        return order

    def batch(self, order: Order, out: Tensor | None = None) -> Tensor:
        """(P * K, C, S, S) views of the images chosen last, those of one image consecutive; in `out` where given."""
        return self._views.make(self._images(), order, out)

    def compile(self, out: Tensor | None = None) -> None:
        """Compile the making of the views, into places like `out`. Raises CompilationFailed."""
        self._views.compile(self._images(), out)

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
