"""How well images find their captions among all of them, and captions their images; and how far apart both lie."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmcr_core.evaluation.confidence_intervals import Measure, jackknife, share_of

NEAREST = (1, 5, 10)
DIRECTIONS = ("image_to_text", "text_to_image")
GROUPS = 10  # of the jackknife


def recalls(images: Tensor, texts: Tensor, owner: Tensor) -> list[Measure]:
    """Recall at 1, 5, 10 in both directions, with Wilson's intervals.

    An image is a hit where one of its captions is among the k captions nearest to it; a caption, where its image is
    among the k images nearest to it. What is as near as the right one counts as nearer, so that embeddings which are
    all alike find nothing.

    Args: images: (N, D) unit embeddings; texts: (M, D) unit embeddings; owner: (M,) each text's image.
    """
    cosines = images @ texts.T  # (N, M)
    own = cosines.gather(0, owner[None]).squeeze(0)  # (M,) of a text with its image
    of_texts = (cosines >= own).sum(dim=0) - 1
    best = torch.full((len(images),), -torch.inf, dtype=own.dtype, device=own.device)
    best = best.scatter_reduce(0, owner, own, "amax")
    others = owner[None] != torch.arange(len(images), device=owner.device)[:, None]
    of_images = ((cosines >= best[:, None]) & others).sum(dim=1)
    ranks = {"image_to_text": of_images.cpu().numpy(), "text_to_image": of_texts.cpu().numpy()}
    return [share_of(f"{way}_recall_{k}", ranks[way] < k) for way in DIRECTIONS for k in NEAREST]


def modality_gap(images: Tensor, texts: Tensor) -> Measure:
    """Length of the mean image embedding less the mean text embedding, both (N, D) on the unit sphere, of pairs in the
    same rows, with a jackknife over groups of pairs.

    Source: Liang et al. 2022, "Mind the gap", arXiv 2203.02053, section 4.1.
    """
    apart: NDArray[np.float64] = (images - texts).double().cpu().numpy()
    count, groups = len(apart), min(GROUPS, len(apart))
    total = apart.sum(axis=0)
    parts = [apart[group::groups] for group in range(groups)]
    without = [float(np.linalg.norm((total - part.sum(axis=0)) / (count - len(part)))) for part in parts]
    return jackknife("modality_gap", float(np.linalg.norm(total / count)), without, count)
