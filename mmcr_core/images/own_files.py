"""A user's own files as images: decoded, a part held out. An image that cannot be read is skipped and named."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmcr_core.images import image_folder, parquet_file
from mmcr_core.images.content_digests import forget_digest
from mmcr_core.images.decoding import Pixels, decode, native_size, reason
from mmcr_core.images.image_set import ContentChanged, DatasetError, Entry, Images
from mmcr_core.spec import DatasetSpec

SAMPLE = 100  # images that decide the common size


class Decoded(NamedTuple):
    """What could be read: pixels (N, H, C, W) uint8, labels (N,), captions of each where asked for, which are held out
    (N,), and what was skipped."""

    pixels: Tensor
    labels: Tensor
    captions: list[tuple[str, ...]]
    heldout: Tensor
    skipped: tuple[str, ...]


def load(spec: DatasetSpec) -> Images:
    """The images of a folder or parquet set, each read once. Raises as `decoded` does."""
    found = decoded(spec)
    train = ~found.heldout
    return Images(
        found.pixels[train],
        found.labels[train],
        found.pixels[found.heldout],
        found.labels[found.heldout],
        found.skipped,
    )


def decoded(spec: DatasetSpec) -> Decoded:
    """The images of a folder or parquet set, with captions where they are pairs.

    Raises: DatasetError where files are absent, of no use, too few, or not those that `spec.digest` names.
    """
    path = spec.path or ""
    try:
        if spec.name == "folder":
            entries = image_folder.entries(path, spec.digest)
        else:
            entries = parquet_file.entries(path, spec.digest, spec.pairs)
        pixels, labels, captions, skipped = _decoded(entries, spec.size)
    except ContentChanged:
        forget_digest(spec)  # so that the next launch reads the files
        raise
    if len(pixels) < 2:
        first = f"; the first unreadable one is {skipped[0]}" if skipped else ""
        what = "pairs" if spec.pairs else "images"
        raise DatasetError(f"{spec.path} holds {len(pixels)} readable {what}; at least 2 are needed{first}")
    heldout = torch.zeros(len(pixels), dtype=torch.bool)
    chosen = np.random.default_rng(0).permutation(len(pixels))[: _heldout_count(len(pixels), spec.heldout)]
    heldout[torch.from_numpy(chosen)] = True
    return Decoded(torch.from_numpy(np.stack(pixels)), torch.tensor(labels), captions, heldout, tuple(skipped))


def count(spec: DatasetSpec) -> tuple[int, int]:
    """Numbers of training and held-out images, none of them decoded.

    Raises: DatasetError where the files are absent, of no use, or fewer than 2.
    """
    path = spec.path or ""
    total = len(image_folder.listing(path)) if spec.name == "folder" else parquet_file.rows(path)
    if total < 2:
        raise DatasetError(f"{path} holds {total} images; at least 2 are needed, one of them to hold out")
    heldout = _heldout_count(total, spec.heldout)
    return total - heldout, heldout


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
