"""BYOL against its published formula, and its EMA teacher in a run."""

import math
from importlib import import_module
from itertools import permutations

import pytest
import torch

from mmcr_core.config.run import BudgetSpec
from mmcr_core.models.ema_teacher import ema_copy, ema_update
from mmcr_core.objectives import make_objective, objective_spec
from mmcr_core.training import Pretraining
from tests.mmcr_core.objectives.published import unit
from tests.mmcr_core.objectives.test_published import embeddings, value_and_gradient


def published(z, teacher, predictor):
    """Grill et al. 2020, eq. 2, of each ordered pair of views; batch norm over all views, with biased variance."""
    P, K, D = z.shape
    first, _, _, last = predictor
    hidden = z.reshape(P * K, D) @ first.weight.T + first.bias
    hidden = (hidden - hidden.mean(0)) / torch.sqrt(((hidden - hidden.mean(0)) ** 2).mean(0) + 1e-5)
    q = (hidden.clamp(min=0) @ last.weight.T + last.bias).view(P, K, D)
    terms = [
        ((unit(q[p, k]) - unit(teacher[p, other])) ** 2).sum()
        for p in range(P)
        for k, other in permutations(range(K), 2)
    ]
    return 2 * torch.stack(terms).mean()


@pytest.mark.parametrize("shape", [(6, 2, 4), (5, 3, 7)], ids=str)
def test_value_and_gradients_are_those_of_the_published_formula(shape):
    torch.manual_seed(0)
    objective = make_objective("byol", dims=shape[-1], predictor_hidden=8).double()
    z, teacher = embeddings(*shape, dtype=torch.float64), embeddings(*shape, seed=1, dtype=torch.float64)
    found = value_and_gradient(lambda z: objective.loss(z, teacher), z)
    weight = objective.predictor[0].weight
    own, weight.grad = weight.grad, None
    expected = value_and_gradient(lambda z: published(z, teacher, objective.predictor), z)
    assert found[0] == pytest.approx(expected[0], rel=1e-10)
    assert (found[1] - expected[1]).norm() <= 1e-9 * expected[1].norm()
    assert (own - weight.grad).norm() <= 1e-9 * own.norm()


def test_it_agrees_with_lightly():
    import_module("mmcr_core.data.torchvision_import")  # lightly imports torchvision
    theirs = pytest.importorskip("lightly.loss").NegativeCosineSimilarity()
    objective = make_objective("byol", dims=5, predictor_hidden=8)
    z, teacher = embeddings(9, 2, 5), embeddings(9, 2, 5, seed=1)
    q = objective.predictor(z.flatten(0, 1)).view(z.shape)
    mean = (theirs(q[:, 0], teacher[:, 1]) + theirs(q[:, 1], teacher[:, 0])) / 2  # of minus the cosines
    assert objective.loss(z, teacher).item() == pytest.approx(4 + 4 * mean.item(), rel=1e-5)


def test_no_gradient_reaches_the_teacher():
    teacher = embeddings(4, 2, 3).requires_grad_()
    make_objective("byol", dims=3, predictor_hidden=4).loss(
        embeddings(4, 2, 3, seed=1).requires_grad_(), teacher
    ).backward()
    assert teacher.grad is None


def test_its_momentum_rises_by_half_a_cosine_from_its_base_to_one():
    objective = make_objective("byol", dims=2, momentum=0.9)
    at = [objective.momentum(torch.tensor(share)).item() for share in (0.0, 0.25, 0.5, 1.0)]
    assert at == pytest.approx([0.9, 1 - 0.05 * (1 + math.sqrt(0.5)), 0.95, 1.0])


def test_a_copy_follows_weights_and_keeps_its_own_statistics():
    network = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    copy = ema_copy(network)
    before = [parameter.clone() for parameter in copy.parameters()]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 1
    network(torch.randn(8, 2))
    ema_update(copy, network, torch.tensor(0.75))
    for old, new in zip(before, copy.parameters(), strict=True):
        assert torch.allclose(new, old + 0.25) and not new.requires_grad
    assert torch.equal(copy[1].running_mean, torch.zeros(3))
    assert int(copy[1].num_batches_tracked) == 0


def test_a_runs_copy_is_the_moving_average_of_its_network(digits_spec):
    spec = digits_spec(objective=objective_spec("byol", momentum=0.5, predictor_hidden=16), budget=BudgetSpec(steps=3))
    run = Pretraining(spec)
    average = [parameter.detach().clone() for parameter in run.network.parameters()]
    assert all(torch.equal(own, other) for own, other in zip(average, run.teacher.parameters(), strict=True))
    for step in range(3):
        run.train_step()
        momentum = 1 - 0.5 * (math.cos(math.pi * step / 3) + 1) / 2
        average = [momentum * a + (1 - momentum) * b for a, b in zip(average, run.network.parameters(), strict=True)]
    for own, other in zip(average, run.teacher.parameters(), strict=True):
        assert torch.allclose(own, other, atol=1e-6)


def test_its_initial_predictor_follows_from_the_seed_alone(digits_spec):
    spec = digits_spec(objective=objective_spec("byol", predictor_hidden=16))
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one = Pretraining(spec).objective.state_dict()
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(2)
    other = Pretraining(spec).objective.state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)
