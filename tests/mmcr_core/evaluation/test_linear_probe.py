"""The batched logistic regression against scikit-learn's, and what its strength is chosen by."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from mmcr_core.evaluation import linear_probe
from mmcr_core.evaluation.linear_probe import fit, linear_predictions, place_in_class


def clouds(count, spread, seed=0, classes=4, features=12):
    rng, common = np.random.default_rng(seed), np.random.default_rng(99)
    centers, units = common.standard_normal((classes, features)), common.uniform(0.1, 5, features)
    labels = rng.integers(0, classes, count)
    points = (centers[labels] + spread * rng.standard_normal((count, features))) * units
    return torch.from_numpy(points), torch.from_numpy(labels)


def test_each_of_the_fits_that_are_made_at_once_is_scikit_learns():
    bank, labels = clouds(300, 2.0)
    x = torch.from_numpy(StandardScaler().fit_transform(bank))
    strengths = torch.tensor([1.0, 1e-2, 1e-4], dtype=torch.float64)
    used = torch.ones(3, 300, dtype=torch.bool)
    used[1, 100:] = False  # one of them sees a part of the images only
    weights, biases = fit(x, labels, strengths, used, 1e-8)
    for strength, mask, W, b in zip(strengths, used, weights, biases, strict=True):
        C = 1 / (int(mask.sum()) * float(strength))
        theirs = LogisticRegression(C=C, tol=1e-10, max_iter=5000).fit(x[mask], labels[mask])
        np.testing.assert_allclose(W.T, theirs.coef_, atol=2e-4 * np.abs(theirs.coef_).max())
        np.testing.assert_allclose(b - b.mean(), theirs.intercept_ - theirs.intercept_.mean(), atol=2e-4)


def test_a_gpus_float32_tells_the_same():
    bank, labels = clouds(600, 2.0)
    x = torch.from_numpy(StandardScaler().fit_transform(bank))
    used, strength = torch.ones(1, 600, dtype=torch.bool), torch.tensor([1 / 600])
    (W, b), (V, c) = (
        fit(x.to(dtype), labels, strength.to(dtype), used, linear_probe.CLOSELY[dtype])
        for dtype in (torch.float64, torch.float32)
    )
    np.testing.assert_allclose(W, V, atol=2e-3)
    np.testing.assert_allclose(b, c, atol=2e-3)


@pytest.mark.parametrize("count", [40, 1200])
def test_predictions_are_scikit_learns_at_the_strength_that_its_own_split_chooses(count):
    bank, labels = clouds(count, 2.0)
    queries, truth = clouds(400, 2.0, seed=1)
    scaler = StandardScaler().fit(bank)
    x, fold = scaler.transform(bank), place_in_class(labels).numpy() % 5
    losses = []
    for C in linear_probe.INVERSE_STRENGTHS:
        loss = 0.0
        for held in range(5 if count < linear_probe.FEW else 1):
            inside, outside = fold != held, fold == held
            strength = C * count / inside.sum()  # C counts images: the fold has fewer
            theirs = LogisticRegression(C=strength, tol=1e-8, max_iter=5000).fit(x[inside], labels[inside])
            loss -= theirs.predict_log_proba(x[outside])[np.arange(outside.sum()), labels[outside]].sum()
        losses.append(loss)
    C = linear_probe.INVERSE_STRENGTHS[int(np.argmin(losses))]
    theirs = LogisticRegression(C=C, tol=1e-8, max_iter=5000).fit(x, labels).predict(scaler.transform(queries))
    found = linear_predictions(bank, labels, queries).numpy()
    assert (found == theirs).mean() >= 0.995
    assert 0.4 < (found == truth.numpy()).mean() < 1


def test_the_strength_is_chosen_without_the_images_that_are_asked_about(monkeypatch):
    chosen = []

    def remembered(bank, classes, strengths, used, tolerance):
        chosen.append((len(bank), strengths.clone()))
        return fit(bank, classes, strengths, used, tolerance)

    monkeypatch.setattr(linear_probe, "fit", remembered)
    bank, labels = clouds(60, 3.0)
    for queries in (clouds(10, 0.1, seed=5)[0], 100 * clouds(500, 3.0, seed=6)[0]):
        linear_predictions(bank, labels, queries)
    assert [count for count, _ in chosen] == [60] * 4
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(chosen[:2], chosen[2:], strict=True))
    assert len(chosen[0][1]) == 5 * len(linear_probe.INVERSE_STRENGTHS)


def test_noise_is_regularized_more_than_signal(monkeypatch):
    kept = []
    monkeypatch.setattr(linear_probe, "fit", lambda *a: kept.append(a[2]) or fit(*a))
    bank, labels = clouds(200, 1.0)
    linear_predictions(bank, labels, bank)
    linear_predictions(torch.randn(200, 12, generator=torch.Generator().manual_seed(0)), labels, bank)
    assert float(kept[3]) > float(kept[1])


def test_labels_may_be_any_integers_and_features_constant():
    bank, labels = clouds(150, 0.3)
    bank[:, 3] = 7.0
    odd = torch.tensor([-7, 3, 1998, 2**40])[labels]
    assert torch.equal(linear_predictions(bank, odd, bank), odd)


@pytest.mark.parametrize("per_class", [1, 2, 5])
def test_a_few_labels_are_enough_to_fit(per_class):
    bank, labels = clouds(400, 0.3)
    kept = place_in_class(labels) < per_class
    found = linear_predictions(bank[kept].float(), labels[kept], bank.float())
    assert (found == labels).double().mean() > 0.7


def test_places_count_within_each_class():
    assert place_in_class(torch.tensor([2, 0, 2, 2, 1, 0])).tolist() == [0, 0, 1, 2, 0, 1]
