"""How good frozen features are: accuracy of a nearest-neighbour or a linear classifier on held-out images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmcr_core.images.views import plain_view
from mmcr_core.spec import ViewSpec


@torch.no_grad()
def extract_features(encoder: nn.Module, images: Tensor, recipe: ViewSpec, batch: int = 512) -> Tensor:
    """(N, H, C, W) uint8 images -> (N, F) float32 features of their plain views. `encoder` in eval mode."""
    return torch.cat([encoder(plain_view(part, recipe)).float() for part in images.split(batch)])


@torch.no_grad()
def knn_accuracy(bank: Tensor, bank_labels: Tensor, queries: Tensor, labels: Tensor, neighbours: int = 20) -> float:
    """Accuracy of the vote of the nearest neighbours by cosine similarity, each weighted exp(similarity / 0.07).

    Args: bank (N, F), bank_labels (N,), queries (M, F), labels (M,). Source: Wu et al. 2018, section 3.4.
    """
    bank, queries = nn.functional.normalize(bank, dim=1), nn.functional.normalize(queries, dim=1)
    classes, bank_classes = bank_labels.unique(return_inverse=True)  # labels may be any integers
    correct = 0
    for part, truth in zip(queries.split(1024), labels.split(1024), strict=True):
        similarity, index = (part @ bank.T).topk(min(neighbours, len(bank)), dim=1)
        weights = torch.exp(similarity / 0.07)
        votes = torch.zeros(len(part), len(classes), device=part.device).scatter_add_(1, bank_classes[index], weights)
        correct += int((classes[votes.argmax(dim=1)] == truth).sum())
    return correct / len(queries)


def linear_accuracy(bank: Tensor, bank_labels: Tensor, queries: Tensor, labels: Tensor) -> float:
    """Accuracy of scikit-learn's logistic regression on standardised features. Shapes as in knn_accuracy."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    classifier.fit(bank.cpu().numpy(), bank_labels.cpu().numpy())
    return float(classifier.score(queries.cpu().numpy(), labels.cpu().numpy()))
