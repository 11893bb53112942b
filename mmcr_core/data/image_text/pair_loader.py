"""Batches of P image-text pairs: K - captions random views of each image, and its captions as tokens."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from mmcr_core.augmentation.augmentation_pipeline import StagedViews
from mmcr_core.augmentation.augmentations import Order
from mmcr_core.config.run import RunSpec
from mmcr_core.data.image_text.pair_set import Pairs
from mmcr_core.data.image_text.pair_stores import InMemoryPairs, StreamingPairs
from mmcr_core.device_buffers import Staging


class PairSource:
    """The batches of a run of `spec` from `pairs`.

    As `mmcr_core.data.image_loader.ImageSource`: `draw(step)` does the host's part and `batch(order)` the device's; the
    tokens lie `beside` the views, in a tensor that keeps its place. `stock`: where pairs come from.
    """

    def __init__(
        self,
        spec: RunSpec,
        pairs: Pairs,
        staging: Staging | None = None,
        stock: type[InMemoryPairs | StreamingPairs] = InMemoryPairs,
    ) -> None:
        self._staging = staging or Staging(pairs.heldout.device)
        self._stock = stock(spec, pairs, self._staging)
        self.available = self._stock.available
        self._views = StagedViews(spec.views, spec.P, spec.image_views, self._stock.side, spec.seed, self._staging)
        self.batch_shape = self._views.shape  # (P * (K - captions), C, S, S)

    @property
    def extra_inputs(self) -> tuple[Tensor, ...]:
        """Tokens (P * captions, L) of the pairs drawn last, those of one pair consecutive."""
        return (self._stock.tokens,)

    @property
    def skipped(self) -> tuple[str, ...]:
        """Pairs that could not be read so far, each with the reason."""
        return self._stock.skipped

    def graph_keys(self) -> Iterator[Order]:
        """Every order that `draw` may say."""
        return self._views.graph_keys()

    def prepare_step(self, step: int) -> Order:
        """Choose the pairs of a step, their views and captions; nothing here waits for the device."""
        self._stock.prepare_step(step)
        order = self._views.prepare_step(step)
        self._staging.send()
        return order

    def batch(self, order: Order, out: Tensor | None = None) -> Tensor:
        """(P * (K - captions), C, S, S) views of the images drawn last, those of one image consecutive; in `out` where
        given."""
        return self._views.make(self._stock.images(), order, out)

    def compile(self, out: Tensor | None = None) -> None:
        """Compile the making of the views, into places like `out`. Raises CompilationFailed."""
        self._views.compile(torch.zeros_like(self._stock.images()), out)

    def close(self) -> None:
        """End what reads ahead."""
        self._stock.close()
