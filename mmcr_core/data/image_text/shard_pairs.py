"""Tar shards as a data set: held-out pairs are loaded, those of training are read as they are needed."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from mmcr_core.config.run import RunSpec
from mmcr_core.data.dataset import Dataset
from mmcr_core.data.image_loader import Source
from mmcr_core.data.image_set import DatasetError, Images
from mmcr_core.data.image_text.pair_set import Pairs
from mmcr_core.data.image_text.pair_stores import StreamingPairs
from mmcr_core.data.shards import loader
from mmcr_core.data.shards.metadata import first_sample, tried
from mmcr_core.data.shards.shard_set import ShardSet, divided, open_shards
from mmcr_core.data.shards.urls import is_url
from mmcr_core.data.survey import Contents
from mmcr_core.device_buffers import Staging


class ShardPairs(Dataset):
    """Shards that are not at hand can be planned with where `samples` says how many pairs there would be."""

    streamed = True

    def count(self) -> tuple[int, int]:
        if (shards := self._at_hand()) is None:
            assert self.spec.samples is not None
            return divided(self.spec.samples, self.spec.heldout)
        return shards.train, shards.heldout

    def require_present(self) -> None:
        ShardPairs(replace(self.spec, samples=None)).count()

    def contents(self) -> Contents | None:
        """None of shards that are only planned with."""
        shards = self._at_hand()
        if shards is None:
            return None
        return Contents(shards.digest, shards.decoding, shards.train + shards.heldout, shards.remarks)

    def sample(self, size: int) -> tuple[Tensor, tuple[str, ...]] | None:
        """Of the first shard. Of those at a URL, which a server may have counted, some more are tried."""
        shards = self._at_hand()
        if shards is None:
            return None
        looked_at = tried(shards.shards) if is_url(shards.shards[0].where) else shards.shards[:1]
        (pixels, captions), *_ = [first_sample(one, self.spec.size or size, self.spec.max_pixels) for one in looked_at]
        return torch.from_numpy(pixels[None].copy()), captions

    def load(self) -> Pairs:
        size, shards = self.spec.size, open_shards(self.spec)
        assert size is not None
        pixels, captions, skipped = loader.heldout(shards, size)
        nothing, unlabeled = torch.empty(0, size, 3, size, dtype=torch.uint8), torch.full((len(pixels),), -1)
        images = (nothing, torch.empty(0, dtype=torch.int64), torch.from_numpy(pixels), unlabeled)
        return Pairs(*images, skipped, heldout_captions=tuple(captions), shards=shards)

    def source(self, spec: RunSpec, data: Images, staging: Staging | None) -> Source:
        assert isinstance(data, Pairs)
        return Source(spec, data, staging, StreamingPairs)

    def resident(self, images: int, points: int) -> int:
        return min(images, loader.MOST_HELDOUT) + points

    def _at_hand(self) -> ShardSet | None:
        """The shards, counted; None where they are absent and `samples` says how many there would be."""
        try:
            return open_shards(replace(self.spec, digest=None))
        except DatasetError:
            if self.spec.samples is None:
                raise
            return None
