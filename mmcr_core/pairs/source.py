"""Batches of P image-text pairs: K - captions random views of each image, and its captions as tokens."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from mmcr_core.images.staged_views import StagedViews
from mmcr_core.images.views import Order
from mmcr_core.pairs.pair_set import Pairs
from mmcr_core.pairs.stocks import ShardStock, WholeStock
from mmcr_core.spec import RunSpec


class PairSource:
    """The batches of a run of `spec` from `pairs`. Raises CompilationFailed where it is to be `compiled` and cannot.

    As `mmcr_core.images.source.ImageSource`: `draw(step)` does the host's part and `batch(order)` the device's; the
    tokens lie `beside` the views, in a tensor that keeps its place.
    """

    def __init__(self, spec: RunSpec, pairs: Pairs, *, compiled: bool = False) -> None:
        device = pairs.heldout.device
        self._stock = ShardStock(spec, pairs, device) if pairs.shards else WholeStock(spec, pairs)
        self.available = self._stock.available
        self._views = StagedViews(spec.views, spec.P, spec.image_views, self._stock.side, spec.seed, device)
        self.batch_shape = self._views.shape  # (P * (K - captions), C, S, S)
        if compiled:
            self._views.draw(0)
            self._views.compile(torch.zeros_like(self._stock.images()))

    @property
    def beside(self) -> tuple[Tensor, ...]:
        """Tokens (P * captions, L) of the pairs drawn last, those of one pair consecutive."""
        return (self._stock.tokens,)

    @property
    def skipped(self) -> tuple[str, ...]:
        """Pairs that could not be read so far, each with the reason."""
        return self._stock.skipped

    def orders(self) -> Iterator[Order]:
        """Every order that `draw` may say."""
        return self._views.orders()

    def draw(self, step: int) -> Order:
        """Choose the pairs of a step, their views and captions; nothing here waits for the device."""
        self._stock.draw(step)
        return self._views.draw(step)

    def batch(self, order: Order) -> Tensor:
        """(P * (K - captions), C, S, S) views of the images drawn last, those of one image consecutive."""
        return self._views.make(self._stock.images(), order)

    def close(self) -> None:
        """End what reads ahead."""
        self._stock.close()
