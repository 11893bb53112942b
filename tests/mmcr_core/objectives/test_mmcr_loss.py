"""MMCRLoss, the loss for anybody's loop: the objective's numbers, of a tensor or of a list of views."""

from importlib import import_module

import numpy as np
import pytest
import torch

from mmcr_core import MMCRLoss, make_objective


def embeddings(P, K, D, dtype=torch.float32):
    return 3 * torch.randn(P, K, D, generator=torch.Generator().manual_seed(0), dtype=dtype)


def with_gradient(loss, z):
    z = z.clone().requires_grad_()
    value = loss(z)
    return value.detach(), torch.autograd.grad(value, z)[0]


@pytest.mark.parametrize("local_weight", [0.0, 0.5])
@pytest.mark.parametrize("shape", [(12, 3, 7), (7, 2, 12), (9, 1, 9)])
def test_value_and_gradient_are_bit_for_bit_the_objectives(shape, local_weight):
    objective = make_objective("mmcr", dims=shape[2], local_weight=local_weight)
    z = embeddings(*shape)
    (value, gradient), (expected, its) = with_gradient(MMCRLoss(local_weight), z), with_gradient(objective.loss, z)
    assert torch.equal(value, expected) and torch.equal(gradient, its)


@pytest.mark.parametrize("local_weight", [0.0, 0.5])
def test_the_value_is_that_of_singular_values_in_float64(local_weight):
    z = embeddings(12, 4, 7, torch.float64)
    unit = (z / z.norm(dim=-1, keepdim=True)).numpy()
    local = np.mean([np.linalg.norm(views, "nuc") for views in unit])
    expected = local_weight * local - np.linalg.norm(unit.mean(1), "nuc")
    assert MMCRLoss(local_weight)(z).item() == pytest.approx(expected, rel=1e-12)
    assert MMCRLoss(local_weight)(z.float()).item() == pytest.approx(expected, rel=1e-5)


def test_its_gradient_is_that_of_finite_differences():
    z = embeddings(5, 2, 4, torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(MMCRLoss(0.3), z)


def test_a_list_of_views_is_the_stacked_tensor():
    z = embeddings(8, 3, 6)
    assert torch.equal(MMCRLoss()(list(z.unbind(1))), MMCRLoss()(z))


def test_it_keeps_no_state_and_says_its_weight():
    assert not MMCRLoss().state_dict() and repr(MMCRLoss(0.5)) == "MMCRLoss(local_weight=0.5)"


def test_what_is_no_batch_of_views_is_an_error_that_says_the_shape():
    with pytest.raises(ValueError, match=r"z must be \(P, K, D\), .*; got \(8, 6\)"):
        MMCRLoss()(torch.ones(8, 6))
    with pytest.raises(ValueError, match="local_weight must be 0 or more, and finite; got -1"):
        MMCRLoss(-1)


@pytest.mark.parametrize("z", [torch.ones(8, 0, 3), torch.ones(0, 2, 3), torch.ones(8, 2, 3, dtype=torch.int64)])
def test_an_empty_batch_and_whole_numbers_are_refused(z):
    with pytest.raises(ValueError, match="floating point and not empty; got"):
        MMCRLoss()(z)


@pytest.mark.parametrize("scale", [2.0**-120, 2.0**-60, 2.0**60, 2.0**100])
def test_embeddings_of_any_length_give_the_same_loss(scale):
    z = embeddings(12, 3, 7)
    (value, gradient), (expected, its) = with_gradient(MMCRLoss(0.5), z * scale), with_gradient(MMCRLoss(0.5), z)
    assert torch.equal(value, expected) and torch.equal(gradient * scale, its)


def test_an_embedding_of_zeros_has_no_direction_and_no_gradient_that_is_not_finite():
    z = embeddings(12, 3, 7)
    z[0] = 0
    value, gradient = with_gradient(MMCRLoss(), z)
    assert value == pytest.approx(with_gradient(MMCRLoss(), z[1:])[0])
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("weight", [0.0, 0.005])
def test_it_is_lightlys_of_unit_embeddings_which_lightly_leaves_to_its_user(weight):
    import_module("mmcr_core.data.torchvision_import")  # lightly imports torchvision
    theirs = pytest.importorskip("lightly.loss").MMCRLoss(lmda=weight)
    z = torch.randn(24, 4, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    unit = torch.nn.functional.normalize(z, dim=-1)
    ours = MMCRLoss(local_weight=weight)
    assert theirs(unit[:, :2], unit[:, 2:]).item() == pytest.approx(ours(z).item(), rel=1e-9)
    assert theirs(3 * unit[:, :2], 3 * unit[:, 2:]).item() == pytest.approx(3 * ours(z).item(), rel=1e-9)
    assert ours(3 * z).item() == pytest.approx(ours(z).item(), rel=1e-12)


@pytest.mark.parametrize(
    "views", [[], [torch.ones(4, 3), torch.ones(4, 2)], [torch.ones(4, 3), torch.ones(3, 3)], [np.ones((4, 3))] * 2,
              [torch.ones(4)] * 2]
)  # fmt: skip
def test_a_list_of_anything_else_is_named(views):
    with pytest.raises(ValueError, match=r"z must be \(P, K, D\), or a list of K tensors"):
        MMCRLoss()(views)
