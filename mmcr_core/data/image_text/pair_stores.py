"""Where the pairs of a step come from: a set that lies on the device whole, or shards that are read as they are needed.

Both put P images and their tokens into tensors that keep their place on the device.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmcr_core.config.run import RunSpec
from mmcr_core.data.image_text.captions import TokenTable
from mmcr_core.data.image_text.pair_set import Pairs
from mmcr_core.data.sampler import Epochs
from mmcr_core.data.shards.loader import ShardReader
from mmcr_core.device_buffers import Staging
from mmcr_core.models.dual_encoder import tokens_of
from mmcr_core.rng import generator


class InMemoryPairs:
    """Pairs that lie on the device: a step needs their indices alone."""

    def __init__(self, spec: RunSpec, pairs: Pairs, staging: Staging) -> None:
        assert spec.dataset.captions is not None
        self._pairs, self._seed, self._captions = pairs, spec.seed, spec.dataset.captions
        self._epochs = Epochs(len(pairs.train), spec.dataset.limit, spec.P, spec.seed)
        self.available = self._epochs.available
        self._table = TokenTable(pairs.train_captions, tokens_of(spec))
        self._chosen = staging.add((spec.P,), torch.int64)
        self._tokens = staging.add((spec.P * self._captions, self._table.length), torch.int64)
        self.side = (pairs.train.shape[1], pairs.train.shape[3])
        self.skipped = pairs.skipped

    def prepare_step(self, step: int) -> None:
        """Choose the pairs of a step."""
        chosen = self._epochs.chosen(step)
        self._chosen.fill(chosen)
        rng = generator(self._seed, "captions", step)
        self._tokens.fill(self._table.drawn(chosen, self._captions, rng).reshape(len(chosen) * self._captions, -1))

    def images(self) -> Tensor:
        """(P, H, C, W) uint8 of those chosen last, by device work."""
        return self._pairs.train[self._chosen.tensor]

    @property
    def tokens(self) -> Tensor:
        """(P * captions, L) int64 of those chosen last."""
        return self._tokens.tensor

    def close(self) -> None:
        """Nothing to end."""


class StreamingPairs:
    """Pairs that processes read ahead from shards: a step needs their pixels."""

    def __init__(self, spec: RunSpec, pairs: Pairs, staging: Staging) -> None:
        assert pairs.shards is not None and spec.dataset.captions is not None
        assert spec.dataset.sampling is not None and spec.dataset.processes is not None
        size = spec.dataset.size or spec.views.size
        self.available, self.side = pairs.shards.train, (size, size)
        tokens = tokens_of(spec)
        self._reader = ShardReader(
            pairs.shards,
            size=size,
            points=spec.P,
            captions=spec.dataset.captions,
            seed=spec.seed,
            sampling=spec.dataset.sampling,
            processes=spec.dataset.processes,
            encode=tokens,
        )
        self._images = staging.add((spec.P, size, 3, size), torch.uint8)
        self._tokens = staging.add((spec.P * spec.dataset.captions, tokens([""]).shape[1]), torch.int64)
        self._heldout_skipped = pairs.skipped

    def prepare_step(self, step: int) -> None:
        """Read the pairs of a step."""
        pixels, tokens = self._reader.batch(step)
        self._images.fill(pixels)
        self._tokens.fill(tokens.reshape(-1, tokens.shape[-1]))

    def images(self) -> Tensor:
        """(P, H, C, W) uint8 of those read last."""
        return self._images.tensor

    @property
    def tokens(self) -> Tensor:
        """(P * captions, L) int64 of those read last."""
        return self._tokens.tensor

    @property
    def skipped(self) -> tuple[str, ...]:
        """Pairs that could not be read so far."""
        return tuple(dict.fromkeys([*self._heldout_skipped, *self._reader.skipped]))

    def close(self) -> None:
        """End the reading processes."""
        self._reader.close()
