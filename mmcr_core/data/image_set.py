"""A loaded set of images, an image on its way there, and what is raised where there is none: shared by all loaders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import torch
from torch import Tensor


class DatasetError(Exception):
    """Data that is absent or of no use; the message says what would be right."""


class ContentChanged(DatasetError):
    """The files at `place` are not those whose digest the launch wrote into the spec."""

    def __init__(self, place: str, found: str, expected: str) -> None:
        super().__init__(
            f"{place} is not what the launch read (SHA-256 {found[:12]}, not {expected[:12]}): it has changed since, "
            f"or differs on this machine; launch again, or put the same content back"
        )
        self.place = place


class Entry(NamedTuple):
    """An image as it was read: its bytes, or the error that came instead; label -1 where it has none; its captions,
    where they are asked for."""

    name: str
    encoded: bytes | Exception
    label: int
    captions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Images:
    """Training and held-out images: uint8 (N, H, C, W) with int64 labels (N,), -1 where there is none; `skipped`: name
    and reason of each that could not be read; `classes`: the labels' names, where they are words."""

    train: Tensor
    train_labels: Tensor
    heldout: Tensor
    heldout_labels: Tensor
    skipped: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        return self.train.shape[2]

    def to(self, device: torch.device | str) -> Self:
        """The same images on `device`."""
        moved = ("train", "train_labels", "heldout", "heldout_labels")
        return replace(self, **{name: getattr(self, name).to(device) for name in moved})


def describe_skipped(skipped: Iterable[str], shown: int = 3) -> str:
    """One line that counts and names unreadable images; empty where there are none."""
    names = list(skipped)
    if not names:
        return ""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"skipped {len(names)} unreadable images: {'; '.join(names[:shown])}{more}"
