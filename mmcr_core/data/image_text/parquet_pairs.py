"""A user's parquet file of images and captions."""

from __future__ import annotations

from mmcr_core.data import parquet_file
from mmcr_core.data.image_text.pair_dataset import PairDataset
from mmcr_core.data.image_text.pair_set import Pairs
from mmcr_core.data.parquet_file import ParquetFile


class ParquetPairs(PairDataset, ParquetFile):
    """A row without a caption is not readable."""

    what = "pairs"
    captioned = True

    def require_present(self) -> None:
        super().require_present()
        parquet_file.require_captions(self.path)

    def load(self) -> Pairs:
        found = self.decoded()
        held = found.heldout.tolist()
        train, heldout = (
            tuple(spoken for spoken, out in zip(found.captions, held, strict=True) if out is kept)
            for kept in (False, True)
        )
        return Pairs(*found.divided, found.skipped, train_captions=train, heldout_captions=heldout)
