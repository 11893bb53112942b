"""A user's own files as images: decoded, a part held out. An image that cannot be read is skipped and named."""

from __future__ import annotations

import itertools
import time
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmcr_core.config.run_id import dataset_content
from mmcr_core.data import decoded_cache
from mmcr_core.data.content_digests import content_digest, forget_digest
from mmcr_core.data.dataset import Dataset
from mmcr_core.data.decoded_cache import Decoded
from mmcr_core.data.decoding import Pixels, decode, native_size, reason
from mmcr_core.data.image_set import ContentChanged, DatasetError, Entry, Images

SAMPLE = 100  # images that decide the common size


class OwnFiles(Dataset):
    """Files at `spec.path`, known by their content; a kind of them says how they are listed, hashed and read."""

    what = "images"

    @property
    def path(self) -> str:
        return self.spec.path or ""

    @abstractmethod
    def located(self) -> list[Path]:
        """The files, which change when the content does. Raises: DatasetError where there are none."""

    @abstractmethod
    def hashed(self) -> str:
        """SHA-256 of the content, read anew."""

    @abstractmethod
    def total(self) -> int:
        """Number of images, none of them decoded. Raises: DatasetError where they are absent or of no use."""

    @abstractmethod
    def entries(self) -> Iterator[Entry]:
        """The images as they are read. Raises: ContentChanged where they are not those that `spec.digest` names."""

    def digest(self) -> str:
        return content_digest(self)

    def count(self) -> tuple[int, int]:
        total = self.total()
        if total < 2:
            raise DatasetError(f"{self.path} holds {total} images; at least 2 are needed, one of them to hold out")
        heldout = _heldout_count(total, self.spec.heldout)
        return total - heldout, heldout

    def require_present(self) -> None:
        self.count()

    def load(self) -> Images:
        found = self.decoded()
        return Images(*found.divided, found.skipped)

    def decoded(self) -> Decoded:
        """The images, with captions where they are pairs, from the cache where their digest is known. Raises as
        `load`."""
        expected = self.spec.digest
        if expected is None or self.digest() != expected:  # else what is there is not what would be in the cache
            return self._decode()
        return decoded_cache.kept(self.content, self._decode)

    @property
    def content(self) -> dict[str, Any]:
        """What the decoded images follow from."""
        return dataset_content(self.spec) | {"limit": None, "what": self.what}

    def load_seconds(self) -> float:
        """From the time that some of the images take."""
        if self.spec.digest is not None and decoded_cache.is_kept(self.content):
            return 0.0
        entries = type(self)(replace(self.spec, digest=None)).entries()
        next(entries)  # opens what all of them share
        began = time.perf_counter()
        pixels, _, _, skipped = _decoded(itertools.islice(entries, SAMPLE), self.spec.size)
        return (time.perf_counter() - began) / max(1, len(pixels) + len(skipped)) * self.total()

    def _decode(self) -> Decoded:
        try:
            pixels, labels, captions, skipped = _decoded(self.entries(), self.spec.size)
        except ContentChanged:
            forget_digest(self)  # so that the next launch reads the files
            raise
        if len(pixels) < 2:
            first = f"; the first unreadable one is {skipped[0]}" if skipped else ""
            raise DatasetError(f"{self.path} holds {len(pixels)} readable {self.what}; at least 2 are needed{first}")
        heldout = torch.zeros(len(pixels), dtype=torch.bool)
        chosen = np.random.default_rng(0).permutation(len(pixels))[: _heldout_count(len(pixels), self.spec.heldout)]
        heldout[torch.from_numpy(chosen)] = True
        order = heldout.int().argsort(stable=True).tolist()
        stacked = torch.from_numpy(np.stack([pixels[place] for place in order]))
        spoken = [captions[place] for place in order]
        return Decoded(stacked, torch.tensor(labels)[order], spoken, heldout[order], tuple(skipped))


def _heldout_count(total: int, fraction: float) -> int:
    """At least one image on either side."""
    return min(max(1, round(total * fraction)), total - 1)


def _decoded(
    entries: Iterator[Entry], size: int | None
) -> tuple[list[Pixels], list[int], list[tuple[str, ...]], list[str]]:
    """Pixels, labels, captions, and what was skipped; the first images decide the size where none is given."""
    first = [] if size else list(itertools.islice(entries, SAMPLE))
    size = size or native_size(entry.encoded for entry in first if isinstance(entry.encoded, bytes))
    pixels: list[Pixels] = []
    labels: list[int] = []
    captions: list[tuple[str, ...]] = []
    skipped: list[str] = []
    for name, encoded, label, spoken in itertools.chain(first, entries):
        try:
            if isinstance(encoded, Exception):
                raise encoded
            pixels.append(decode(encoded, size))
        except MemoryError:  # says nothing about the image
            raise
        except Exception as error:  # decoders raise far more than OSError on damaged bytes
            skipped.append(f"{name}: {reason(error)}")
            continue
        labels.append(label)
        captions.append(spoken)
    return pixels, labels, captions, skipped
