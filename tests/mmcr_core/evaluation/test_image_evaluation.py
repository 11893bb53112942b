"""What is measured at the end of a run, with intervals."""

import numpy as np
import pytest
import torch
from scipy import stats

from mmcr_core.config.run import OF_IMAGES, EvaluateSpec
from mmcr_core.data.image_loader import heldout_views
from mmcr_core.data.image_set import Images
from mmcr_core.data.registry import load
from mmcr_core.evaluation.image_evaluation import deviation, evaluate, requested_measures
from mmcr_core.models.encoders import build_network
from mmcr_core.models.mixed_precision import embed
from mmcr_core.theory import percent_error


def test_the_heldout_error_is_the_mean_over_batches_with_students_interval(digits_spec):
    spec = digits_spec(evaluate=EvaluateSpec(6, "none"))
    network, images = build_network(spec), load(spec.dataset)
    (measured,) = evaluate(network, spec, images)
    network.eval()
    errors = []
    for batch in range(6):
        z = torch.nn.functional.normalize(embed(network, (heldout_views(spec, images, batch),), "fp32"), dim=-1)
        norm = np.linalg.norm(z.mean(1).detach().double().numpy(), "nuc")
        errors.append(percent_error(norm, spec.P, spec.D))
    assert measured.value == pytest.approx(np.mean(errors), rel=1e-5)
    interval = stats.t.interval(0.95, 5, np.mean(errors), stats.sem(errors))
    assert (measured.low, measured.high) == pytest.approx(interval, rel=1e-4)
    assert measured.count == 6
    assert deviation(measured) == pytest.approx(np.std(errors, ddof=1), rel=1e-4)


@pytest.mark.parametrize("probe", ["knn", "linear"])
def test_accuracies_have_wilsons_interval(digits_spec, probe):
    spec = digits_spec(evaluate=EvaluateSpec(0, probe))
    (measured,) = evaluate(build_network(spec), spec, load(spec.dataset))
    assert measured.name == f"{probe}_accuracy"
    assert measured.count == 360
    p, n, z = measured.value, 360, stats.norm.ppf(0.975)
    center, half = (
        (p + z**2 / (2 * n)) / (1 + z**2 / n),
        z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / 4 / n**2),
    )
    assert (measured.low, measured.high) == pytest.approx((center - half, center + half), rel=1e-6)


def test_what_cannot_be_measured_is_said_to_be_absent(digits_spec):
    spec = digits_spec(P=400, evaluate=EvaluateSpec(2, "knn", ("linear",), labels_per_class=5))
    images = load(spec.dataset)
    unlabeled = Images(images.train, torch.full_like(images.train_labels, -1), images.heldout, images.heldout_labels)
    heldout, *probes = found = evaluate(build_network(spec), spec, unlabeled)
    assert [each.value for each in found] == [None] * len(found)
    assert {(each.name, each.subject) for each in found} == set(requested_measures(spec.evaluate))
    assert len(probes) == 6
    assert deviation(heldout) is None


def test_evaluation_leaves_the_network_in_its_mode(digits_spec):
    spec = digits_spec()
    network = build_network(spec).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    evaluate(network, spec, load(spec.dataset))
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_a_spec_asks_for_its_measures_by_name():
    assert requested_measures(EvaluateSpec(20, "knn")) == {("heldout_percent_error", ""): 20, ("knn_accuracy", ""): 0}
    assert requested_measures(EvaluateSpec(0, "none")) == {}
    more = EvaluateSpec(0, "knn", ("linear", "effective_rank"), labels_per_class=5)
    accuracies = {(f"{probe}_accuracy", subject) for probe in ("knn", "linear") for subject in ("", "5 labels a class")}
    gains = {("linear_gain", ""), ("linear_gain", "5 labels a class")}
    ranks = {("effective_rank", ""), ("feature_effective_rank", "")}
    assert set(requested_measures(more)) == accuracies | gains | ranks
    assert set(requested_measures(more, trained=False)) == accuracies | ranks


@pytest.mark.parametrize("trained", [False, True])
def test_what_is_asked_for_is_what_is_measured(digits_spec, capacity_stand_in, trained):
    spec = digits_spec(evaluate=EvaluateSpec(2, "knn", OF_IMAGES, labels_per_class=1))
    images = load(spec.dataset)
    network = build_network(digits_spec(seed=3))
    found = evaluate(network, spec, images, trained=trained)
    assert {(each.name, each.subject) for each in found} == set(requested_measures(spec.evaluate, trained=trained))
    assert all(each.value is not None for each in found)
    assert found == evaluate(network, spec, images, trained=trained)
