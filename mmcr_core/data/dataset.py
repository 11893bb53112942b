"""What a data set is to everything else, whether it holds images or image-text pairs and wherever they lie.

The protocol is met by one class a kind; `mmcr_core.data.registry` finds the class of a name.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

from torch import Tensor

from mmcr_core.config.run import NAMED_HELDOUT, NAMED_IMAGES, DatasetSpec, RunSpec
from mmcr_core.data.image_loader import Source
from mmcr_core.data.image_set import Images
from mmcr_core.data.survey import Contents
from mmcr_core.device_buffers import Staging


class Dataset(Protocol):
    """The data that `spec` names. `streamed`: training images are read as they are needed, at the views' size where
    the spec has none."""

    spec: DatasetSpec
    streamed: bool = False

    def __init__(self, spec: DatasetSpec) -> None:
        self.spec = spec

    @abstractmethod
    def count(self) -> tuple[int, int]:
        """Numbers of training and held-out images, none of them decoded. Raises: DatasetError where the files are
        absent, of no use, or fewer than 2."""

    @abstractmethod
    def load(self) -> Images:
        """All of it, whatever its `limit`. Raises: DatasetError where files are absent, unreadable as a whole, too few,
        or not those that `digest` names."""

    def require_present(self) -> None:
        """Raises DatasetError, with the remedy, where the data is absent and may not be downloaded, or where it can be
        seen without an image of it that it is of no use."""

    def contents(self) -> Contents | None:
        """What is in a user's own files; None of all else. Raises: DatasetError where they are absent."""
        return None

    def sample(self, size: int) -> tuple[Tensor, tuple[str, ...]] | None:
        """The first image of a user's own files that can be used, (1, H, 3, W) uint8, of `size` where the spec says
        none, and its captions; None of all else. Raises: DatasetError where none of the first ones can be used."""
        return None

    def load_seconds(self) -> float:
        """About how long the first `load` on this machine takes to decode images; 0 where it need not."""
        return 0.0

    def source(self, spec: RunSpec, data: Images, staging: Staging | None) -> Source:
        """What gives the batches of a run from loaded `data`, and sends what lies in `staging` with each."""
        return Source(spec, data, staging)

    @property
    def side(self) -> int | None:
        """Pixels of an image's side, where they are known before it is read."""
        return self.spec.size

    def resident(self, images: int, points: int) -> int:
        """How many of `images` lie on the device while batches of `points` are trained on."""
        return images


class NamedDataset(Dataset):
    """A set whose numbers of images are known by its name."""

    def count(self) -> tuple[int, int]:
        return NAMED_IMAGES[self.spec.name, self.spec.split], NAMED_HELDOUT[self.spec.name]


def divided(
    pixels: Tensor, labels: Tensor, heldout: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # (N, H, C, W), (N,), (N,) bool
    """Training images and labels, held-out images and labels."""
    return pixels[~heldout], labels[~heldout], pixels[heldout], labels[heldout]
