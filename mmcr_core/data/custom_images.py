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
from torch import Tensor

from mmcr_core.config.run_id import dataset_content
from mmcr_core.data import decoded_cache
from mmcr_core.data.content_digests import contents, forget_contents
from mmcr_core.data.dataset import Dataset
from mmcr_core.data.decoded_cache import Decoded
from mmcr_core.data.decoding import Pixels, decode, native_size, reason
from mmcr_core.data.image_set import ContentChanged, DatasetError, Entry, Images
from mmcr_core.data.survey import Contents

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
    def surveyed(self) -> Contents:
        """What is in the files, read anew, its digest the SHA-256 of the content."""

    @property
    def reading(self) -> str:
        """What decides beside the files what is found in them."""
        return f"{self.what} {self.spec.max_pixels}"

    @abstractmethod
    def total(self) -> int:
        """Number of images, of use or not, none of them looked at. Raises: DatasetError where they are absent."""

    @abstractmethod
    def entries(self) -> Iterator[Entry]:
        """The images as they are read. Raises: ContentChanged where they are not those that `spec.digest` names."""

    def contents(self) -> Contents:
        return contents(self)

    def count(self) -> tuple[int, int]:
        found = self.contents()
        if found.used < 2:
            why = f" ({found.remarks[0]})" if found.remarks else ""
            raise DatasetError(
                f"{self.path} holds too few images: {found.used} of at least 2, one of them to hold out{why}"
            )
        heldout = _heldout_count(found.used, self.spec.heldout)
        return found.used - heldout, heldout

    def require_present(self) -> None:
        self.count()

    def load(self) -> Images:
        found = self.decoded()
        return Images(*found.divided, found.skipped)

    def sample(self, size: int) -> tuple[Tensor, tuple[str, ...]]:
        problems = []
        unverified = type(self)(replace(self.spec, digest=None))
        for entry in itertools.islice(unverified.entries(), SAMPLE):
            try:
                return torch.from_numpy(np.stack([self._pixels(entry, self.spec.size or size)])), entry.captions
            except MemoryError:
                raise
            except Exception as error:
                problems.append(f"{entry.name}: {reason(error)}")
        first = f"none of its first {len(problems)} {self.what} can be used; the first is {problems[0]}"
        raise DatasetError(f"{self.path}: {first}")

    def decoded(self) -> Decoded:
        """The images, with captions where they are pairs, from the cache where their digest is known. Raises as
        `load`."""
        expected = self.spec.digest
        if expected is None or self.contents().digest != expected:  # what is there is not what the cache would hold
            return self._decode()
        return decoded_cache.kept(self.content, self._decode)

    @property
    def content(self) -> dict[str, Any]:
        """What the decoded images follow from."""
        return dataset_content(self.spec) | {"limit": None, "what": self.what}

    def load_seconds(self) -> float:
        """From the CPU time that some of the images take."""
        if self.spec.digest is not None and decoded_cache.is_kept(self.content):
            return 0.0
        unverified = type(self)(replace(self.spec, digest=None))
        entries = unverified.entries()
        next(entries)  # opens what all of them share
        began = time.thread_time()
        pixels, _, _, skipped = unverified._decoded(itertools.islice(entries, SAMPLE))
        return (time.thread_time() - began) / max(1, len(pixels) + len(skipped)) * self.total()

    def _decode(self) -> Decoded:
        try:
            pixels, labels, captions, skipped = self._decoded(self.entries())
        except ContentChanged:
            forget_contents(self)  # so that the next launch reads the files
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

    def _pixels(self, entry: Entry, size: int) -> Pixels:
        """Raises what came in place of the bytes, or what decoding them raises."""
        if isinstance(entry.encoded, Exception):
            raise entry.encoded
        return decode(entry.encoded, size, max_pixels=self.spec.max_pixels)

    def _decoded(self, entries: Iterator[Entry]) -> tuple[list[Pixels], list[int], list[tuple[str, ...]], list[str]]:
        """Pixels, labels, captions, and what was skipped; the first images decide the size where none is given."""
        first = [] if self.spec.size else list(itertools.islice(entries, SAMPLE))
        size = self.spec.size or native_size(entry.encoded for entry in first if isinstance(entry.encoded, bytes))
        pixels: list[Pixels] = []
        labels: list[int] = []
        captions: list[tuple[str, ...]] = []
        skipped: list[str] = []
        for entry in itertools.chain(first, entries):
            try:
                pixels.append(self._pixels(entry, size))
            except MemoryError:  # says nothing about the image
                raise
            except Exception as error:  # decoders raise far more than OSError on damaged bytes
                skipped.append(f"{entry.name}: {reason(error)}")
                continue
            labels.append(entry.label)
            captions.append(entry.captions)
        return pixels, labels, captions, skipped


def _heldout_count(total: int, fraction: float) -> int:
    """At least one image on either side, but of all nothing is left."""
    return total if fraction == 1 else min(max(1, round(total * fraction)), total - 1)
