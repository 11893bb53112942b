"""What all data sets of image-text pairs that are loaded whole have in common."""

from __future__ import annotations

from mmcr_core.config.run import RunSpec
from mmcr_core.data.dataset import Dataset
from mmcr_core.data.image_loader import Source
from mmcr_core.data.image_set import Images
from mmcr_core.data.image_text.pair_set import Pairs
from mmcr_core.data.image_text.pair_stores import InMemoryPairs
from mmcr_core.device_buffers import Staging


class PairDataset(Dataset):
    """Its batches have captions."""

    def source(self, spec: RunSpec, data: Images, staging: Staging | None) -> Source:
        assert isinstance(data, Pairs)
        return Source(spec, data, staging, InMemoryPairs)
