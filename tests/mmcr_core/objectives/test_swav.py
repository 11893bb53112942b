"""SwAV against its published formula, its queue and its frozen prototypes."""

from importlib import import_module
from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmcr_core.config.run import BudgetSpec
from mmcr_core.objectives import make_objective, objective_spec
from mmcr_core.objectives.swav import sinkhorn
from mmcr_core.training import Pretraining
from tests.mmcr_core.objectives.published import unit
from tests.mmcr_core.objectives.test_published import embeddings, value_and_gradient

EVERYTHING = torch.ones(1, 1, dtype=torch.bool)
LATE = torch.tensor(0.5)


def published_codes(scores, epsilon, iterations):
    """Caron et al. 2020, the listing of appendix A: (N, J) scores -> (N, J) codes."""
    Q = torch.exp(scores / epsilon).T
    Q = Q / Q.sum()
    J, N = Q.shape
    for _ in range(iterations):
        Q = Q / Q.sum(dim=1, keepdim=True) / J
        Q = Q / Q.sum(dim=0, keepdim=True) / N
    return (Q * N).T


def published(z, prototypes, queue, temperature, epsilon, iterations):
    """Caron et al. 2020, eq. 2, of each ordered pair of views."""
    P, K, _ = z.shape
    u = unit(z)
    terms = []
    for k, other in permutations(range(K), 2):
        with torch.no_grad():
            scores = torch.stack([torch.stack([row @ c for c in prototypes]) for row in [*u[:, k], *queue]])
            codes = published_codes(scores, epsilon, iterations)[:P]
        for p in range(P):
            logits = torch.stack([u[p, other] @ c for c in prototypes]) / temperature
            terms.append(-(codes[p] * (logits - torch.log(torch.exp(logits).sum()))).sum())
    return torch.stack(terms).mean()


@pytest.mark.parametrize("shape", [(6, 2, 4), (3, 3, 5)], ids=str)
@pytest.mark.parametrize("length", [0, 4])
@pytest.mark.parametrize("options", [{}, {"temperature": 0.3, "epsilon": 0.2, "iterations": 1}], ids=str)
def test_value_and_gradients_are_those_of_the_published_formula(shape, length, options):
    torch.manual_seed(0)
    objective = make_objective("swav", dims=shape[-1], prototypes=5, queue=length, **options).double()
    if length:
        objective.queue.copy_(unit(torch.randn(length, shape[-1], dtype=torch.float64)))
        objective.queued.fill_(length)
    z, prototypes = embeddings(*shape, dtype=torch.float64), objective.prototypes
    found = value_and_gradient(lambda z: objective.loss(z, progress=LATE), z)
    own, prototypes.grad = prototypes.grad, None
    given = {name: getattr(objective.options, name) for name in ("temperature", "epsilon", "iterations")}
    expected = value_and_gradient(lambda z: published(z, prototypes, objective.queue, **given), z)
    assert found[0] == pytest.approx(expected[0], rel=1e-10)
    assert (found[1] - expected[1]).norm() <= 1e-9 * expected[1].norm()
    assert (own - prototypes.grad).norm() <= 1e-9 * own.norm()


def test_codes_and_loss_agree_with_lightly():
    import_module("mmcr_core.data.torchvision_import")  # lightly imports torchvision
    theirs = pytest.importorskip("lightly.loss.swav_loss")
    objective = make_objective("swav", dims=8, prototypes=12)
    z = embeddings(16, 3, 8)
    scores = (torch.nn.functional.normalize(z, dim=-1) @ objective.prototypes.mT).unbind(1)
    assert torch.allclose(theirs.sinkhorn(scores[0]), sinkhorn(scores[0] / 0.05, 3, EVERYTHING), atol=1e-6)
    expected = theirs.SwaVLoss()(list(scores), []).item()
    assert objective.loss(z, progress=LATE).item() == pytest.approx(expected, rel=1e-5)


@given(seed=st.integers(0, 10**6), N=st.integers(2, 12), J=st.integers(2, 6))
def test_many_iterations_use_all_prototypes_alike_and_each_sample_once(seed, N, J):
    logits = torch.randn(N, J, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    codes = sinkhorn(logits, 200, EVERYTHING)
    assert torch.allclose(codes.sum(dim=1), torch.ones(N, dtype=torch.float64))
    assert torch.allclose(codes.sum(dim=0), torch.full((J,), N / J, dtype=torch.float64), atol=1e-6)


def test_sharp_codes_are_finite():
    objective = make_objective("swav", dims=4, prototypes=6, epsilon=1e-3)
    assert torch.isfinite(objective.loss(embeddings(8, 2, 4), progress=LATE))


def test_samples_that_take_no_part_change_nothing():
    logits = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    part = torch.tensor([True] * 5 + [False] * 2)[:, None]
    assert torch.allclose(sinkhorn(logits, 3, part)[:5], sinkhorn(logits[:5], 3, EVERYTHING))


def step(objective, z, progress):
    loss = objective.loss(z, progress=torch.tensor(progress))
    objective.after_step()
    return loss.item()


def test_a_queue_fills_from_its_start_on_newest_first_and_is_used_once_it_is_full():
    objective, without = (
        make_objective("swav", dims=4, prototypes=3, queue=length, queue_start=0.5) for length in (5, 0)
    )
    without.prototypes.data.copy_(objective.prototypes.data)
    batches = [embeddings(3, 2, 4, seed) for seed in range(5)]
    losses = {}
    for i, (batch, progress) in enumerate(zip(batches, (0.4, 0.5, 0.6, 0.7, 0.8), strict=True)):
        losses[i] = step(objective, batch, progress), step(without, batch, progress)
        if i == 0:
            assert not objective.queue.any() and int(objective.queued) == 0
    newest = unit(torch.cat([batches[4][:, 0], batches[3][:2, 0]]))
    assert torch.allclose(objective.queue, newest, atol=1e-6)
    for i in (0, 1, 2):  # 3 of 5 rows are there after step 1, all after step 2
        assert losses[i][0] == pytest.approx(losses[i][1], rel=1e-6)
    assert abs(losses[3][0] - losses[3][1]) > 1e-4


def test_prototypes_stay_as_they_were_drawn_while_frozen_and_have_length_one_afterwards(digits_spec):
    options = objective_spec("swav", prototypes=8, frozen=0.5)
    run = Pretraining(digits_spec(objective=options, budget=BudgetSpec(steps=8)))
    drawn = run.objective.prototypes.detach().clone()
    list(run.run(until=4))
    assert torch.equal(run.objective.prototypes, drawn)
    list(run.run(until=5))
    assert not torch.equal(run.objective.prototypes, drawn)
    assert torch.allclose(run.objective.prototypes.norm(dim=1), torch.ones(8))
