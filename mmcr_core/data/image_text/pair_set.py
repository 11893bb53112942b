"""Image-text pairs as they are loaded."""

from __future__ import annotations

from dataclasses import dataclass

from mmcr_core.data.image_set import Images
from mmcr_core.data.image_text.captions import Captions
from mmcr_core.data.shards.shard_set import ShardSet


@dataclass(frozen=True)
class Pairs(Images):
    """Images with their captions, one or more each. Of `shards` the training pairs are read as they are needed: `train`
    is empty then."""

    train_captions: Captions = ()
    heldout_captions: Captions = ()
    shards: ShardSet | None = None
