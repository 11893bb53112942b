"""Probes against scikit-learn, and on features whose accuracy is known."""

import numpy as np
import torch
from sklearn.neighbors import KNeighborsClassifier

from mmcr_core.evaluation.knn_probe import NEIGHBORS, few_labels, knn_predictions
from mmcr_core.evaluation.linear_probe import linear_predictions


def share(found, labels):
    return float((found == labels).double().mean())


def knn_accuracy(bank, bank_labels, queries, labels, neighbors=NEIGHBORS):
    return share(knn_predictions(bank, bank_labels, queries, neighbors), labels)


def linear_accuracy(bank, bank_labels, queries, labels):
    return share(linear_predictions(bank, bank_labels, queries), labels)


def clusters(spread, seed=0, count=300):
    generator = torch.Generator().manual_seed(seed)
    centers = torch.randn(5, 16, generator=torch.Generator().manual_seed(99))
    labels = torch.randint(0, 5, (count,), generator=generator)
    return centers[labels] + spread * torch.randn(count, 16, generator=generator), labels


def test_knn_agrees_with_scikit_learn():
    (bank, bank_labels), (queries, labels) = clusters(1.0), clusters(1.0, seed=1)
    weights = lambda distance: np.exp((1 - distance) / 0.07)  # noqa: E731
    theirs = KNeighborsClassifier(20, metric="cosine", weights=weights, algorithm="brute")
    score = theirs.fit(bank.numpy(), bank_labels.numpy()).score(queries.numpy(), labels.numpy())
    assert knn_accuracy(bank, bank_labels, queries, labels) == score
    assert 0.5 < score < 1


def test_separable_clusters_are_told_apart_and_noise_is_not():
    for accuracy in (knn_accuracy, linear_accuracy):
        assert accuracy(*clusters(0.1), *clusters(0.1, seed=1)) == 1
        noise = torch.randn(300, 16, generator=torch.Generator().manual_seed(3))
        _, labels = clusters(1.0)
        assert accuracy(noise, labels, noise.flip(0), labels) < 0.45


def test_a_bank_smaller_than_the_number_of_neighbors_is_used_whole():
    bank, labels = clusters(0.1, count=8)
    assert knn_accuracy(bank, labels, bank, labels, neighbors=20) > 0


def test_labels_may_be_any_integers():
    generator = torch.Generator().manual_seed(0)
    centers = 5 * torch.randn(3, 8, generator=generator)
    bank = torch.cat([center + torch.randn(40, 8, generator=generator) for center in centers])
    plain = torch.arange(3).repeat_interleave(40)
    odd = torch.tensor([-7, 1998, 2**40])[plain]
    assert knn_accuracy(bank, odd, bank, odd) == knn_accuracy(bank, plain, bank, plain) > 0.9
    unknown = torch.full_like(odd, 5)
    assert knn_accuracy(bank, odd, bank, unknown) == 0


def test_few_labels_are_so_many_of_each_class_the_fewer_among_the_more():
    labels = torch.tensor([5, -3, 9])[torch.arange(300) % 3]
    labels[0] = 77  # a class of one
    few, more = few_labels(labels, 4, seed=1), few_labels(labels, 10, seed=1)
    assert labels[few].unique(return_counts=True)[1].tolist() == [4, 4, 4, 1]
    assert set(few.tolist()) <= set(more.tolist())
    assert torch.equal(few, few.sort().values)
    assert torch.equal(few, few_labels(labels, 4, seed=1))
    assert not torch.equal(few, few_labels(labels, 4, seed=2))
