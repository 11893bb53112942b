"""The data of a run, images or image-text pairs: what there is of it, loading it, the source of its batches."""

from __future__ import annotations

import torch

from mmcr_core.images import content_digests, datasets
from mmcr_core.images.image_set import DatasetError, Images
from mmcr_core.images.source import ImageSource
from mmcr_core.pairs import pair_set
from mmcr_core.pairs.pair_set import Pairs
from mmcr_core.pairs.source import PairSource
from mmcr_core.spec import DatasetSpec, RunSpec
from mmcr_core.staging import Staging

__all__ = [
    "DatasetError",
    "Source",
    "content_digest",
    "count",
    "forget",
    "load",
    "remarks",
    "require_present",
    "source_of",
    "steps_of",
]
Source = ImageSource | PairSource


def load(spec: RunSpec, device: torch.device | str = "cpu") -> Images:
    """The data of a run on `device`, all of it whatever its `limit`. Raises: DatasetError where files are absent,
    unreadable as a whole, too few, or not those that `digest` names."""
    if spec.dataset.has_captions:
        return pair_set.load(spec.dataset, device, spec.views.size)
    return datasets.load(spec.dataset, device)


def source_of(spec: RunSpec, data: Images, staging: Staging | None = None) -> Source:
    """What gives the batches of a run, and sends what lies in `staging` with each."""
    return PairSource(spec, data, staging) if isinstance(data, Pairs) else ImageSource(spec, data, staging)


def forget() -> None:
    """Let go of what `load` keeps: its memory, and what it knew of files that have changed since."""
    datasets.forget()
    pair_set.forget()


def count(spec: DatasetSpec) -> tuple[int, int]:
    """Numbers of training and held-out images, without decoding any.

    Raises: DatasetError where a user's own files are absent, of no use, or fewer than 2.
    """
    return pair_set.count(spec) if spec.has_captions else datasets.count(spec)


def steps_of(spec: RunSpec) -> int:
    """Optimiser steps of a run, from the number of its training images, none of them decoded. Raises as `count`."""
    return spec.budget.total_steps(spec.P, spec.dataset.kept(count(spec.dataset)[0]))


def require_present(spec: DatasetSpec) -> None:
    """Raises DatasetError, with the remedy, where a set is absent and the grid does not ask to download it, or where
    it can be seen without an image of it that the set is of no use."""
    (pair_set if spec.has_captions else datasets).require_present(spec)


def remarks(spec: DatasetSpec) -> tuple[str, ...]:
    """What a user should know of a set of pairs before it is read, a sentence each."""
    return pair_set.remarks(spec) if spec.has_captions else ()


def content_digest(spec: DatasetSpec) -> str | None:
    """What a user's own files are known by; None of shards that are only planned with. Raises: DatasetError where they
    are absent."""
    return pair_set.digest(spec) if spec.has_captions else content_digests.content_digest(spec)
