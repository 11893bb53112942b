"""The data of a run, images or image-text pairs, found by its name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

import torch

from mmcr_core.config.run import DatasetSpec, RunSpec
from mmcr_core.data import image_folder
from mmcr_core.data.dataset import Dataset
from mmcr_core.data.digits import Digits
from mmcr_core.data.image_folder import ImageFolder
from mmcr_core.data.image_loader import Source, random_views
from mmcr_core.data.image_set import DatasetError, Images
from mmcr_core.data.image_text.glyphs import GlyphPairs
from mmcr_core.data.image_text.parquet_pairs import ParquetPairs
from mmcr_core.data.image_text.shard_pairs import ShardPairs
from mmcr_core.data.parquet.parquet_images import ParquetImages
from mmcr_core.data.torchvision_datasets import TorchvisionSet
from mmcr_core.device_buffers import Staging
from mmcr_core.models.dual_encoder import tokens_of
from mmcr_core.rng import generator

__all__ = [
    "DatasetError",
    "Source",
    "class_count",
    "class_names",
    "content_digest",
    "count",
    "dataset",
    "forget",
    "identified",
    "load",
    "load_seconds",
    "remarks",
    "require_present",
    "require_usable",
    "source_of",
    "steps_of",
]

Registry = dict[str, Callable[[DatasetSpec], Dataset]]
IMAGES: Registry = {
    "digits": Digits,
    "cifar10": TorchvisionSet,
    "cifar100": TorchvisionSet,
    "stl10": TorchvisionSet,
    "folder": ImageFolder,
    "parquet": ParquetImages,
}
PAIRS: Registry = {
    "glyphs": GlyphPairs,
    "parquet": ParquetPairs,
    "shards": ShardPairs,
}


def dataset(spec: DatasetSpec) -> Dataset:
    """The data that a spec names, nothing of it read."""
    return (PAIRS if spec.has_captions else IMAGES)[spec.name](spec)


class _Kept:
    """The set that was loaded last, and one copy of it on a device: runs of a process share them."""

    def __init__(self) -> None:
        self.host = functools.lru_cache(maxsize=1)(lambda spec: dataset(spec).load())
        self.on_device = functools.lru_cache(maxsize=1)(lambda spec, device: self.host(spec).to(device))


_KEPT = {False: _Kept(), True: _Kept()}  # images, and pairs: zero-shot looks at images while pairs are trained on


def load(spec: DatasetSpec, device: torch.device | str = "cpu", view_size: int | None = None) -> Images:
    """The data of `spec` on `device`, kept for the next run in this process; `view_size`: pixels at which data is read
    that is streamed. Raises as `Dataset.load`."""
    size = spec.size or (view_size if dataset(spec).streamed else None)
    return _KEPT[spec.has_captions].on_device(replace(spec, limit=None, size=size), torch.device(device))


def forget() -> None:
    """Let go of what `load` keeps: its memory, and what it knew of files that have changed since."""
    for kept in _KEPT.values():
        kept.on_device.cache_clear()
        kept.host.cache_clear()


def source_of(spec: RunSpec, data: Images, staging: Staging | None = None) -> Source:
    """What gives the batches of a run, and sends what lies in `staging` with each."""
    return dataset(spec.dataset).source(spec, data, staging)


def steps_of(spec: RunSpec) -> int:
    """Optimizer steps of a run, from the number of its training images, none of them decoded. Raises as `count`."""
    return spec.budget.total_steps(spec.P, spec.dataset.kept(count(spec.dataset)[0]))


def count(spec: DatasetSpec) -> tuple[int, int]:
    """As `Dataset.count`."""
    return dataset(spec).count()


def load_seconds(spec: DatasetSpec) -> float:
    """As `Dataset.load_seconds`."""
    return dataset(replace(spec, limit=None)).load_seconds()


def require_present(spec: DatasetSpec) -> None:
    """As `Dataset.require_present`."""
    dataset(spec).require_present()


def require_usable(spec: RunSpec) -> None:
    """Make a view, and tokens, of the first image of a user's own files. Raises: DatasetError with what was seen."""
    found = dataset(spec.dataset).sample(spec.dataset.size or spec.views.size)
    if found is None:
        return
    images, captions = found
    random_views(images, spec.views, 1, generator(spec.seed, "heldout", 0))
    if captions:
        tokens_of(spec)(list(captions))


def remarks(spec: DatasetSpec) -> tuple[str, ...]:
    """What a user should know before the data is read, a sentence each."""
    found = dataset(spec).contents()
    return found.remarks if found else ()


def class_count(spec: DatasetSpec) -> int | None:
    """How many classes labels of a user's own images name, 0 where there are none, as in shards; None of other data.
    Raises DatasetError."""
    if spec.name == "shards":
        return 0
    if spec.name == "parquet":
        return ParquetImages(spec).labels().class_count
    return len(class_names(spec)) if spec.name == "folder" else None


def class_names(spec: DatasetSpec) -> tuple[str, ...]:
    """What the classes of a user's own images are called, as far as their files say it. Raises DatasetError."""
    if spec.name == "folder":
        return image_folder.class_names(spec.path or "")
    return ParquetImages(spec).labels().classes if spec.name == "parquet" else ()


def content_digest(spec: DatasetSpec) -> str | None:
    """What a user's own files are known by; None of all else. Raises as `Dataset.contents`."""
    return identified(spec).digest


def identified(spec: DatasetSpec) -> DatasetSpec:
    """The same, known by the content of a user's own files. Raises as `Dataset.contents`."""
    found = dataset(replace(spec, digest=None)).contents()
    return replace(spec, digest=found.digest, decoding=found.decoding) if found else replace(spec, digest=None)
