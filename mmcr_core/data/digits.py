"""scikit-learn's 1,797 handwritten digits, 8 x 8, gray levels 0..16; every fifth image is held out."""

from __future__ import annotations

import numpy as np
import torch

from mmcr_core.data.dataset import NamedDataset, divided
from mmcr_core.data.image_set import Images


class Digits(NamedDataset):
    """They come with scikit-learn, so that they are always present."""

    side = 8

    def load(self) -> Images:
        from sklearn.datasets import load_digits

        digits = load_digits()
        pixels = torch.from_numpy((digits.images * (255 / 16)).round().astype(np.uint8))[:, :, None, :]
        labels = torch.from_numpy(digits.target.astype(np.int64))
        return Images(*divided(pixels, labels, torch.arange(len(pixels)) % 5 == 0))
