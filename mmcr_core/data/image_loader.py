"""Batches of P images with K random views each: everything random drawn on the host, every pixel made on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

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


class ImageStore(Protocol):
    """Where the images of a step come from. They lie in tensors that keep their place on the device.

    `available`: training images there are; `side`: (height, width) in pixels."""

    available: int
    side: tuple[int, int]

    @property
    def tokens(self) -> tuple[Tensor, ...]:
        """Tokens (P * captions, L) int64 of the step's captions, those of one pair consecutive; empty without any."""

    @property
    def skipped(self) -> tuple[str, ...]:
        """What could not be read so far, each with the reason."""

    def prepare_step(self, step: int) -> None:
        """Choose or read the images of a step; nothing here waits for the device."""

    def images(self) -> Tensor:
        """(P, H, C, W) uint8 of that step, by device work."""

    def close(self) -> None:
        """End what reads ahead."""


class InMemoryImages:
    """Images that lie on the device: a step needs their indices alone."""

    tokens: tuple[Tensor, ...] = ()

    def __init__(self, spec: RunSpec, images: Images, staging: Staging) -> None:
        self._images = images.train
        self._epochs = Epochs(len(images.train), spec.dataset.limit, spec.P, spec.seed)
        self.available, self.skipped = self._epochs.available, images.skipped
        self.side = (images.train.shape[1], images.train.shape[3])
        self._chosen = staging.add((spec.P,), torch.int64)

    def prepare_step(self, step: int) -> None:
        self._chosen.fill(self._epochs.chosen(step))

    def images(self) -> Tensor:
        return self._images[self._chosen.tensor]

    def close(self) -> None:
        pass


class Source:
    """The batches of a run of `spec`, from `images` on their device or, by their `store`, from elsewhere.

    `prepare_step(step)` sets a step's random choices, sends them with all else in `staging`, and says which order of
    the jitters the step has; `batch(order)` then makes the views by device work alone, from tensors that keep their
    place, so that it can be captured once for each order. K counts captions too: they are no views.
    """

    def __init__(
        self,
        spec: RunSpec,
        images: Images,
        staging: Staging | None = None,
        store: Callable[[RunSpec, Any, Staging], ImageStore] = InMemoryImages,
    ) -> None:
        self._staging = staging or Staging(images.heldout.device)
        self._store = store(spec, images, self._staging)
        self.available = self._store.available
        self._views = StagedViews(spec.views, spec.P, spec.image_views, self._store.side, spec.seed, self._staging)
        self.batch_shape = self._views.shape  # (P * image views, C, S, S)

    @property
    def extra_inputs(self) -> tuple[Tensor, ...]:
        """What the network reads beside the views: `ImageStore.tokens`."""
        return self._store.tokens

    @property
    def skipped(self) -> tuple[str, ...]:
        """Images or pairs that could not be read so far, each with the reason."""
        return self._store.skipped

    def graph_keys(self) -> Iterator[Order]:
        """Every order that `prepare_step` may say."""
        return self._views.graph_keys()

    def prepare_step(self, step: int) -> Order:
        """Choose the images, captions and views of a step; nothing here waits for the device."""
        self._store.prepare_step(step)
        order = self._views.prepare_step(step)
        self._staging.send()
        return order

    def batch(self, order: Order, out: Tensor | None = None) -> Tensor:
        """Views (batch_shape) of the images chosen last, those of one image consecutive; in `out` where given."""
        return self._views.make(self._store.images(), order, out)

    def compile(self, out: Tensor | None = None) -> None:
        """Compile the making of the views, into places like `out`. Raises CompilationFailed."""
        self._views.compile(self._store.images(), out)

    def close(self) -> None:
        """End what reads ahead."""
        self._store.close()


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
