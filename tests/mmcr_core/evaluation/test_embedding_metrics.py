"""Information, rank and alignment of held-out embeddings against numpy, and which manifolds a capacity is asked of."""

import dataclasses

import numpy as np
import pytest
import torch

from mmcr_core.config.run import EvaluateSpec
from mmcr_core.data.image_loader import random_views
from mmcr_core.data.image_set import Images
from mmcr_core.data.registry import load
from mmcr_core.evaluation import embedding_metrics as module
from mmcr_core.evaluation.embedding_metrics import embedding_measures
from mmcr_core.manifold_capacity import manifold_capacity
from mmcr_core.models.encoders import build_network
from mmcr_core.rng import generator
from mmcr_core.theory import mutual_information_bound

NAMED = ("mutual_information", "effective_rank", "alignment")


@pytest.fixture
def measured(digits_spec):
    """Measures by name and subject, of an untrained network on the digits or on `images`."""

    def measure(*names, images=None, **changes):
        spec = digits_spec(evaluate=EvaluateSpec(0, "none", names), **changes)
        found = embedding_measures(build_network(spec).eval(), spec, images or load(spec.dataset))
        return {(each.name, each.subject): each for each in found}

    return measure


@torch.no_grad()
def embedded(spec, images):
    """z (N, 2, D) and features (N, F) of the same views, made at once."""
    network, z, features = build_network(spec).eval(), [], []
    for block, part in enumerate(images.heldout.split(256)):
        found = network.encoder(random_views(part, spec.views, 2, generator(spec.seed, "measures", block)))
        features.append(found[::2])
        z.append(torch.nn.functional.normalize(network.projector(found), dim=1).view(len(part), 2, -1))
    return torch.cat(z).double().numpy(), torch.cat(features).double().numpy()


def entropy_rank(rows):
    share = np.linalg.svd(rows, compute_uv=False)
    share = share[share > 0] / share.sum()
    return np.exp(-(share * np.log(share)).sum())


def test_each_is_what_numpy_says_of_the_same_views(digits_spec, measured):
    found = measured(*NAMED)
    z, features = embedded(digits_spec(), load(digits_spec().dataset))
    cosines = (z[:, 0] * z[:, 1]).sum(1)
    assert found["alignment", ""].value == pytest.approx(cosines.mean(), rel=1e-5)
    assert found["effective_rank", ""].value == pytest.approx(entropy_rank(z[:, 0]), rel=1e-4)
    assert found["feature_effective_rank", ""].value == pytest.approx(entropy_rank(features), rel=1e-3)
    bound = mutual_information_bound(z[:, 0], z[:, 1])
    information = found["mutual_information_bound", ""]
    assert (information.value, information.low, information.high) == pytest.approx(bound[:3], rel=1e-3, abs=1e-4)
    for each in found.values():
        assert each.low < each.value < each.high
        assert each.count == 360


def test_rank_is_one_of_a_point_and_full_of_orthogonal_rows():
    point = torch.ones(40, 6) + 1e-6 * torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    assert module._rank("rank", point).value == pytest.approx(1, abs=1e-3)
    assert module._rank("rank", torch.eye(6).repeat(10, 1)).value == pytest.approx(6)


def test_the_interval_of_a_rank_is_as_wide_as_fresh_samples_scatter():
    ranks = []
    for seed in range(40):
        rows = torch.randn(200, 8, generator=torch.Generator().manual_seed(seed)) * torch.linspace(0.2, 2, 8)
        ranks.append(module._rank("rank", rows))
    scatter = np.std([each.value for each in ranks], ddof=1)
    claimed = np.mean([each.high - each.value for each in ranks]) / 2.262  # t with 9 degrees of freedom
    assert 0.7 < claimed / scatter < 1.4


def test_capacity_is_asked_of_images_with_their_views_and_of_classes(measured, capacity_stand_in):
    found = measured("capacity", K=4)
    smallest = int(load_labels().unique(return_counts=True)[1].min())
    assert capacity_stand_in == [(50, 50, 8), (10, smallest, 8)]
    assert found["capacity", "views"].value == found["capacity", "classes"].value == 0.1
    assert (found["capacity", "views"].low, found["capacity", "views"].high) == (0.05, 0.2)
    assert found["capacity_radius", "views"].value == 1.0
    assert found["capacity_dimension", "classes"].value == 8.0
    assert (found["capacity", "views"].count, found["capacity", "classes"].count) == (50, 10)


def test_capacity_is_that_of_the_views_and_absent_where_all_embeddings_are_one(digits_spec, monkeypatch):
    spec = digits_spec(evaluate=EvaluateSpec(0, "none", ("capacity",)))
    images, network, asked = load(spec.dataset), build_network(spec).eval(), []
    monkeypatch.setattr(module, "manifold_capacity", lambda points: asked.append(points) or manifold_capacity(points))
    views, *_ = embedding_measures(network, spec, images)
    known = manifold_capacity(asked[0])
    assert (views.value, views.low, views.high) == (known.alpha, *known.alpha_interval)
    collapsed = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(128, 8))
    torch.nn.init.zeros_(collapsed[1].weight)
    network.projector = collapsed
    assert {each.value for each in embedding_measures(network, spec, images)} == {None}


def load_labels():
    from mmcr_core.config.run import DatasetSpec

    return load(DatasetSpec("digits")).heldout_labels


def test_more_views_a_step_than_points_of_a_manifold_are_all_used(measured, capacity_stand_in):
    measured("capacity", K=60)
    assert capacity_stand_in[0] == (50, 60, 8)


def test_without_labels_classes_have_no_capacity(digits_spec, measured, capacity_stand_in):
    images = load(digits_spec().dataset)
    unlabeled = dataclasses.replace(images, heldout_labels=torch.full_like(images.heldout_labels, -1))
    found = measured("capacity", images=unlabeled)
    assert [found[name, "classes"].value for name in module.CAPACITY] == [None] * 3
    assert found["capacity", "views"].value == 0.1


def test_a_large_heldout_set_is_measured_in_part_and_the_part_stays_the_same(monkeypatch, measured):
    monkeypatch.setattr(module, "IMAGES", 100)
    first, again = measured("alignment"), measured("alignment")
    assert first["alignment", ""].count == 100
    assert first == again


@pytest.mark.parametrize("count", [0, 3, 4])
def test_what_too_few_images_cannot_say_is_absent(digits_spec, measured, capacity_stand_in, count):
    images = load(digits_spec().dataset)
    few = Images(images.train, images.train_labels, images.heldout[:count], images.heldout_labels[:count])
    found = measured(*NAMED, "capacity", images=few)
    absent = {name for name, each in found.items() if each.value is None}
    assert absent == (set(found) if count < 4 else {(name, "classes") for name in module.CAPACITY})
    assert set(found) == {name for names in module.NAMES.values() for name in names}


def test_measuring_leaves_the_global_generators_alone(measured, capacity_stand_in):
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    measured(*NAMED, "capacity")
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == np.random.get_state()[1].tolist()  # noqa: NPY002
