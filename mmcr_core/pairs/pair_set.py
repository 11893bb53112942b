"""Image-text pairs: glyphs and parquet files whole on the device, shards read as they are needed."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import torch

from mmcr_core.images import own_files, parquet_file
from mmcr_core.images.content_digests import content_digest
from mmcr_core.images.image_set import DatasetError, Images
from mmcr_core.pairs import shard_reader, shard_set
from mmcr_core.pairs.captions import Captions
from mmcr_core.pairs.glyphs import glyphs
from mmcr_core.spec import NAMED_HELDOUT, NAMED_IMAGES, DatasetSpec


@dataclass(frozen=True)
class Pairs(Images):
    """Images with their captions, one or more each, and the words that are the names of the labels, where there are
    any. Of `shards` the training pairs are read as they are needed: `train` is empty then."""

    train_captions: Captions = ()
    heldout_captions: Captions = ()
    classes: tuple[str, ...] = ()
    shards: shard_set.ShardSet | None = None


def load(spec: DatasetSpec, device: torch.device | str, size: int) -> Pairs:
    """The pairs of `spec` on `device`, whatever its `limit`; those of shards `size` pixels wide. The last set that was
    loaded is kept for the next run in this process.

    Raises: DatasetError where files are absent, unreadable as a whole, too few, or not those that `digest` names.
    """
    return _on_device(replace(spec, limit=None), torch.device(device), spec.size or size)


def forget() -> None:
    """Let go of what `load` keeps."""
    _on_device.cache_clear()
    _loaded.cache_clear()


@functools.lru_cache(maxsize=1)
def _on_device(spec: DatasetSpec, device: torch.device, size: int) -> Pairs:
    return _loaded(spec, size).to(device)


@functools.lru_cache(maxsize=1)
def _loaded(spec: DatasetSpec, size: int) -> Pairs:
    if spec.name == "glyphs":
        return _glyphs()
    return _parquet(spec) if spec.name == "parquet" else _shards(spec, size)


def count(spec: DatasetSpec) -> tuple[int, int]:
    """Numbers of training and held-out pairs, no image decoded; of shards that are not at hand by what `samples` says.
    Raises DatasetError where the files are of no use."""
    if spec.name == "glyphs":
        return NAMED_IMAGES["glyphs", "train"], NAMED_HELDOUT["glyphs"]
    if spec.name == "parquet":
        return own_files.count(spec)
    if (shards := _at_hand(spec)) is None:
        assert spec.samples is not None
        return shard_set.divided(spec.samples, spec.heldout)
    return shards.train, shards.heldout


def remarks(spec: DatasetSpec) -> tuple[str, ...]:
    """What a user should know of shards before they are read: one that is cut off, keys that come twice."""
    shards = _at_hand(spec) if spec.name == "shards" else None
    return shards.remarks if shards else ()


def digest(spec: DatasetSpec) -> str | None:
    """What a user's own pairs are known by; None of shards that are only planned with. Raises as `count` does."""
    if spec.name != "shards":
        return content_digest(spec)
    shards = _at_hand(spec)
    return shards.digest if shards else None


def _at_hand(spec: DatasetSpec) -> shard_set.ShardSet | None:
    """The shards, counted; None where they are absent and `samples` says how many there would be."""
    try:
        return shard_set.open_shards(replace(spec, digest=None))
    except DatasetError:
        if spec.samples is None:
            raise
        return None


def require_present(spec: DatasetSpec) -> None:
    """Raises DatasetError where it can be seen without an image that the pairs are absent or of no use."""
    count(replace(spec, samples=None))
    if spec.name == "parquet":
        parquet_file.require_labels(spec.path or "")
        parquet_file.require_captions(spec.path or "")


def _glyphs() -> Pairs:
    drawn = glyphs()
    pixels, labels, heldout = (torch.from_numpy(part) for part in (drawn.pixels, drawn.labels, drawn.heldout))
    train_names = tuple((name,) for name, held in zip(drawn.names, drawn.heldout, strict=True) if not held)
    heldout_names = tuple((name,) for name, held in zip(drawn.names, drawn.heldout, strict=True) if held)
    images = (pixels[~heldout], labels[~heldout], pixels[heldout], labels[heldout])
    return Pairs(*images, (), train_names, heldout_names, drawn.classes)


def _parquet(spec: DatasetSpec) -> Pairs:
    found = own_files.decoded(spec)
    held = found.heldout.tolist()
    train_captions = tuple(spoken for spoken, out in zip(found.captions, held, strict=True) if not out)
    heldout_captions = tuple(spoken for spoken, out in zip(found.captions, held, strict=True) if out)
    train = ~found.heldout
    images = (found.pixels[train], found.labels[train], found.pixels[found.heldout], found.labels[found.heldout])
    return Pairs(*images, found.skipped, train_captions, heldout_captions)


def _shards(spec: DatasetSpec, size: int) -> Pairs:
    shards = shard_set.open_shards(spec)
    pixels, captions, skipped = shard_reader.heldout(shards, size)
    nothing, unlabelled = torch.empty(0, size, 3, size, dtype=torch.uint8), torch.full((len(pixels),), -1)
    images = (nothing, torch.empty(0, dtype=torch.int64), torch.from_numpy(pixels), unlabelled)
    return Pairs(*images, (*shards.remarks, *skipped), (), tuple(captions), shards=shards)
