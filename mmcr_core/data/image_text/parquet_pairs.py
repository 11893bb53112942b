"""Images and captions of parquet files."""

from __future__ import annotations

from mmcr_core.data.image_text.pair_dataset import PairDataset
from mmcr_core.data.image_text.pair_set import Pairs
from mmcr_core.data.parquet.parquet_images import ParquetImages


class ParquetPairs(PairDataset, ParquetImages):
    """A row without a caption is not readable."""

    what = "pairs"
    captioned = True

    def load(self) -> Pairs:
        found = self.decoded()
        held = found.heldout.tolist()
        train, heldout = (
            tuple(spoken for spoken, out in zip(found.captions, held, strict=True) if out is kept)
            for kept in (False, True)
        )
        classes = self.labels().classes
        return Pairs(*found.divided, found.skipped, classes, train_captions=train, heldout_captions=heldout)
