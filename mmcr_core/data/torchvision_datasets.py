"""CIFAR-10, CIFAR-100 and STL-10 from torchvision, with its checksums."""

from __future__ import annotations

import os

import numpy as np
import torch
from torch import Tensor

from mmcr_core.data.dataset import NamedDataset
from mmcr_core.data.image_set import DatasetError, Images

KINDS = {"cifar10": "CIFAR10", "cifar100": "CIFAR100", "stl10": "STL10"}
SIDES = {"cifar10": 32, "cifar100": 32, "stl10": 96}


class TorchvisionSet(NamedDataset):
    """A set under `spec.root`, downloaded there where the spec allows it."""

    @property
    def side(self) -> int:
        return SIDES[self.spec.name]

    def require_present(self) -> None:
        if not self.spec.download:
            self._part(self.spec.split)

    def load(self) -> Images:
        return Images(*self._part(self.spec.split), *self._part("test"))

    def _part(self, split: str) -> tuple[Tensor, Tensor]:
        from mmcr_core.data.torchvision_import import torchvision

        name, root = self.spec.name, self.spec.root
        kind = getattr(torchvision.datasets, KINDS[name])
        where = {"split": split} if name == "stl10" else {"train": split == "train"}
        try:
            loaded = kind(root, download=self.spec.download, **where)
        except (RuntimeError, OSError) as error:
            folder = os.path.abspath(root)
            archive = kind.url.rsplit("/", 1)[-1]
            raise DatasetError(
                f"dataset '{name}' is not in {folder} ({error}); run: mkdir -p {folder} && "
                f"curl -L {kind.url} | tar -xz -C {folder}   (archive {archive}), or set download: true"
            ) from error
        channels_first = name == "stl10"  # STL-10 comes (N, C, H, W), CIFAR (N, H, W, C)
        pixels = torch.from_numpy(np.asarray(loaded.data))
        pixels = pixels.permute(0, 2, 1, 3) if channels_first else pixels.permute(0, 1, 3, 2)
        labels = loaded.labels if channels_first else loaded.targets
        return pixels.contiguous(), torch.as_tensor(np.asarray(labels), dtype=torch.int64)
