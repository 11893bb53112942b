"""Data sets as uint8 tensors that fit on the device whole, laid out (N, H, C, W) as `mmcr_core.views` wants.

A named set comes from scikit-learn or torchvision with torchvision's checksums; `folder` and `parquet` are a
user's own files (see `own_files`), known by their content.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from mmcr_core.images import own_files, parquet_file
from mmcr_core.images.content_digests import content_digest
from mmcr_core.images.image_set import DatasetError, Images
from mmcr_core.spec import NAMED_HELDOUT, NAMED_IMAGES, DatasetSpec, RunSpec

__all__ = [
    "DatasetError",
    "Images",
    "content_digest",
    "count",
    "describe_skipped",
    "forget",
    "load",
    "require_present",
    "steps_of",
]


def load(spec: DatasetSpec, device: torch.device | str = "cpu") -> Images:
    """The images of `spec` on `device`, all of them whatever its `limit`; the last set that was loaded, and one copy
    of it on a device, are kept for the next run in this process.

    Raises: DatasetError where files are absent, unreadable as a whole, too few, or not those that `digest` names.
    """
    return _on_device(replace(spec, limit=None), torch.device(device))


def forget() -> None:
    """Let go of what `load` keeps: its memory, and what it knew of files that have changed since."""
    _on_device.cache_clear()
    _loaded.cache_clear()


@functools.lru_cache(maxsize=1)
def _on_device(spec: DatasetSpec, device: torch.device) -> Images:
    return _loaded(spec).to(device)


@functools.lru_cache(maxsize=1)
def _loaded(spec: DatasetSpec) -> Images:
    if spec.name == "digits":
        return _digits()
    if spec.by_content:
        return own_files.load(spec)
    return _torchvision_set(spec)


def count(spec: DatasetSpec) -> tuple[int, int]:
    """Numbers of training and held-out images, without decoding any.

    Raises: DatasetError where the files of a folder or parquet set are absent, of no use, or fewer than 2.
    """
    if not spec.by_content:
        return NAMED_IMAGES[spec.name, spec.split], NAMED_HELDOUT[spec.name]
    return own_files.count(spec)


def steps_of(spec: RunSpec) -> int:
    """Optimiser steps of a run, from the number of its training images, none of them decoded. Raises as `count`."""
    return spec.budget.total_steps(spec.P, spec.dataset.kept(count(spec.dataset)[0]))


def require_present(spec: DatasetSpec) -> None:
    """Raises DatasetError, with the remedy, where a set is absent and the grid does not ask to download it, or where
    it can be seen without an image of it that the set is of no use."""
    if spec.by_content:
        count(spec)
        if spec.name == "parquet":
            parquet_file.require_labels(spec.path or "")
    elif spec.name != "digits" and not spec.download:
        _torchvision_part(spec, spec.split)


def _digits() -> Images:
    """scikit-learn's 1,797 handwritten digits, 8 x 8, grey levels 0..16; every fifth image is held out."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = torch.from_numpy((digits.images * (255 / 16)).round().astype(np.uint8))[:, :, None, :]
    labels = torch.from_numpy(digits.target.astype(np.int64))
    heldout = torch.arange(len(pixels)) % 5 == 0
    return Images(pixels[~heldout], labels[~heldout], pixels[heldout], labels[heldout])


def _torchvision_set(spec: DatasetSpec) -> Images:
    train = _torchvision_part(spec, spec.split)
    heldout = _torchvision_part(spec, "test")
    return Images(*train, *heldout)


def _torchvision_part(spec: DatasetSpec, split: str) -> tuple[Tensor, Tensor]:
    from mmcr_core.images._torchvision import torchvision

    kinds = {"cifar10": "CIFAR10", "cifar100": "CIFAR100", "stl10": "STL10"}
    kind = getattr(torchvision.datasets, kinds[spec.name])
    where = {"split": split} if spec.name == "stl10" else {"train": split == "train"}
    try:
        loaded = kind(spec.root, download=spec.download, **where)
    except (RuntimeError, OSError) as error:
        folder = os.path.abspath(spec.root)
        archive = kind.url.rsplit("/", 1)[-1]
        raise DatasetError(
            f"dataset '{spec.name}' is not in {folder} ({error}); run: mkdir -p {folder} && "
            f"curl -L {kind.url} | tar -xz -C {folder}   (archive {archive}), or set download: true"
        ) from error
    channels_first = spec.name == "stl10"  # STL-10 comes (N, C, H, W), CIFAR (N, H, W, C)
    pixels = torch.from_numpy(np.asarray(loaded.data))
    pixels = pixels.permute(0, 2, 1, 3) if channels_first else pixels.permute(0, 1, 3, 2)
    labels = loaded.labels if channels_first else loaded.targets
    return pixels.contiguous(), torch.as_tensor(np.asarray(labels), dtype=torch.int64)


def describe_skipped(skipped: Iterable[str], shown: int = 3) -> str:
    """One line that counts and names unreadable images; empty where there are none."""
    names = list(skipped)
    if not names:
        return ""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"skipped {len(names)} unreadable images: {'; '.join(names[:shown])}{more}"
