"""Where the pairs of a step come from, each an `ImageStore`: a set that lies on the device whole, or shards that are
read as they are needed."""

from __future__ import annotations

import torch
from torch import Tensor

from mmcr_core.config.run import RunSpec
from mmcr_core.data.image_loader import InMemoryImages
from mmcr_core.data.image_text.captions import token_table
from mmcr_core.data.image_text.pair_set import Pairs
from mmcr_core.data.shards.loader import ShardReader
from mmcr_core.device_buffers import Staging
from mmcr_core.models.dual_encoder import tokens_of
from mmcr_core.rng import generator


class InMemoryPairs(InMemoryImages):
    """Images with captions: a step needs their tokens too."""

    def __init__(self, spec: RunSpec, pairs: Pairs, staging: Staging) -> None:
        assert spec.dataset.captions is not None
        super().__init__(spec, pairs, staging)
        self._seed, self._captions = spec.seed, spec.dataset.captions
        self._table = token_table(pairs.train_captions, tokens_of(spec))
        self._tokens = staging.add((spec.P * self._captions, self._table.length), torch.int64)

    def prepare_step(self, step: int) -> None:
        super().prepare_step(step)
        rng = generator(self._seed, "captions", step)
        drawn = self._table.drawn(self._epochs.chosen(step), self._captions, rng)
        self._tokens.fill(drawn.reshape(len(drawn) * self._captions, -1))

    @property
    def tokens(self) -> tuple[Tensor, ...]:  # type: ignore[override]
        return (self._tokens.tensor,)


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
        pixels, tokens = self._reader.batch(step)
        self._images.fill(pixels)
        self._tokens.fill(tokens.reshape(-1, tokens.shape[-1]))

    def images(self) -> Tensor:
        return self._images.tensor

    @property
    def tokens(self) -> tuple[Tensor, ...]:
        return (self._tokens.tensor,)

    @property
    def skipped(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*self._heldout_skipped, *self._reader.skipped]))

    def close(self) -> None:
        self._reader.close()
