"""Accuracy with all and with few labels, and what training has gained, image by image."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmcr_core.config.run import BudgetSpec, EvaluateSpec
from mmcr_core.data.registry import load
from mmcr_core.data.sampler import kept_images
from mmcr_core.evaluation.confidence_intervals import gain_of
from mmcr_core.evaluation.knn_probe import extract_features, few_labels, knn_predictions
from mmcr_core.evaluation.linear_probe import linear_predictions
from mmcr_core.evaluation.probe_metrics import accuracies, probe_bank, untrained_network
from mmcr_core.training import Pretraining


def test_a_bank_of_few_images_is_among_that_of_more_and_has_those_that_a_limit_trains_on():
    labels = torch.arange(100) % 10
    few, more = (set(probe_bank(labels, count).tolist()) for count in (20, 50))
    assert (len(few), len(more)) == (20, 50) and few < more
    assert sorted(few) == kept_images(100, 20).tolist()
    labels[::2] = -1
    assert all(labels[probe_bank(labels, 20)] >= 0) and len(probe_bank(labels, None)) == 50


def test_a_probe_learns_from_no_more_images_than_it_is_given(trained):
    few, whole = (replace(trained.spec, evaluate=EvaluateSpec(0, "knn", probe_images=n)) for n in (30, None))
    found = [accuracies(trained.network, spec, trained.images, True)[0].value for spec in (few, whole)]
    bank = probe_bank(trained.images.train_labels, 30)
    features = [extract_features(trained.network.encoder, images, trained.spec.views) for images in (
        trained.images.train[bank], trained.images.heldout)]  # fmt: skip
    expected = knn_predictions(features[0], trained.images.train_labels[bank], features[1])
    assert found[0] == float((expected == trained.images.heldout_labels).double().mean()) < found[1]


ASKED = EvaluateSpec(0, "knn", ("knn", "linear"), labels_per_class=5)


@pytest.fixture(scope="module")
def trained():
    from mmcr_core.config.defaults import run_spec
    from mmcr_core.config.run import DatasetSpec, ProjectorSpec

    spec = run_spec(
        DatasetSpec("digits"), P=64, D=16, K=2, budget=BudgetSpec(steps=100), projector=ProjectorSpec((64,)), seed=3,
        evaluate=ASKED,
    )  # fmt: skip
    run = Pretraining(spec)
    list(run.run())
    run.network.eval()
    return run


def test_a_gain_compares_both_networks_on_the_same_images_and_labels(trained):
    spec, images = trained.spec, load(trained.spec.dataset)
    found = {(each.name, each.subject): each for each in accuracies(trained.network, spec, images, True)}
    kept = few_labels(images.train_labels, 5, spec.seed)
    for probe, predictions in (("linear", linear_predictions), ("knn", lambda *a: knn_predictions(*a, 5))):
        hits = []
        for network in (trained.network, Pretraining(spec).network.eval()):
            bank = extract_features(network.encoder, images.train, spec.views)[kept]
            queries = extract_features(network.encoder, images.heldout, spec.views)
            found_labels = predictions(bank, images.train_labels[kept], queries)
            hits.append((found_labels == images.heldout_labels).numpy())
        measured = found[f"{probe}_gain", "5 labels a class"]
        assert measured == gain_of(f"{probe}_gain", *hits, "5 labels a class")
        assert found[f"{probe}_accuracy", "5 labels a class"].value == hits[0].mean()


def test_training_gains_where_labels_are_few(trained):
    found = {
        (each.name, each.subject): each for each in accuracies(trained.network, trained.spec, trained.images, True)
    }
    for probe in ("knn", "linear"):
        assert found[f"{probe}_gain", "5 labels a class"].low > 0
        few, all_labels = (found[f"{probe}_accuracy", subject].value for subject in ("5 labels a class", ""))
        assert few < all_labels


def test_the_untrained_network_is_the_one_that_the_run_began_with(trained):
    again, begun = untrained_network(trained.spec, torch.device("cpu")), Pretraining(trained.spec).network
    assert not again.training
    for name, value in begun.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    measured = accuracies(again, trained.spec, trained.images, True)
    gains = [each for each in measured if each.name.endswith("_gain")]
    assert [each.value for each in gains] == [0.0] * 4


def test_a_probe_that_measures_does_not_name_has_no_gain(trained):
    import dataclasses

    spec = dataclasses.replace(trained.spec, evaluate=EvaluateSpec(0, "knn", ("alignment",)))
    (only,) = accuracies(trained.network, spec, trained.images, True)
    assert (only.name, only.subject) == ("knn_accuracy", "")
    assert np.isfinite(only.value)
