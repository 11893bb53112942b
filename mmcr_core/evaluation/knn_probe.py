"""How good frozen features are: accuracy of a nearest-neighbor or a linear classifier on held-out images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmcr_core.augmentation.augmentations import plain_view
from mmcr_core.config.run import ViewSpec
from mmcr_core.evaluation.linear_probe import place_in_class
from mmcr_core.rng import generator

NEIGHBORS = 20
# Images embedded at a time. What a convnet makes of 512 images of 32 pixels leaves a CPU's caches: 64 give the same
# bits in 0.57 of the time.
EMBEDDED, EMBEDDED_ON_CPU = 512, 64


@torch.no_grad()
def extract_features(encoder: nn.Module, images: Tensor, recipe: ViewSpec) -> Tensor:
    """(N, H, C, W) uint8 images -> (N, F) float32 features of their plain views. `encoder` in eval mode."""
    batch = EMBEDDED_ON_CPU if images.device.type == "cpu" else EMBEDDED
    return torch.cat([encoder(plain_view(part, recipe)).float() for part in images.split(batch)])


@torch.no_grad()
def knn_predictions(bank: Tensor, bank_labels: Tensor, queries: Tensor, neighbors: int = NEIGHBORS) -> Tensor:
    """Labels (M,) by vote of the nearest neighbors by cosine similarity, each weighted exp(similarity / 0.07).

    Args: bank (N, F), bank_labels (N,), queries (M, F). Source: Wu et al. 2018, section 3.4.
    """
    bank, queries = nn.functional.normalize(bank, dim=1), nn.functional.normalize(queries, dim=1)
    classes, bank_classes = bank_labels.unique(return_inverse=True)  # labels may be any integers
    voted = []
    for part in queries.split(1024):
        similarity, index = (part @ bank.T).topk(min(neighbors, len(bank)), dim=1)
        weights = torch.exp(similarity / 0.07)
        votes = torch.zeros(len(part), len(classes), device=part.device).scatter_add_(1, bank_classes[index], weights)
        voted.append(classes[votes.argmax(dim=1)])
    return torch.cat(voted)


def few_labels(labels: Tensor, per_class: int, seed: int) -> Tensor:
    """Indices of `per_class` images of each class (all of a class that has fewer), by a run's seed alone: the first of
    each class in one permutation of its stream, so that fewer labels are among more.

    Args: labels (N,). Returns: (n,) int64, ascending.
    """
    order = torch.from_numpy(generator(seed, "labels").permutation(len(labels))).to(labels.device)
    _, classes = labels[order].unique(return_inverse=True)
    kept: Tensor = order[place_in_class(classes) < per_class].sort().values
    return kept
