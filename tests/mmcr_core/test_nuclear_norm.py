"""The nuclear norm and its gradient against numpy's float64 SVD."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmcr_core.nuclear_norm import nuclear_norm

METHODS = ["svd", "eigh", "polar"]


def unit_rows(P, D, seed, dtype=torch.float32):
    M = torch.randn(P, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(M, dim=1).to(dtype)


def reference(M):
    """Value and least-norm polar factor in float64."""
    U, sigma, Vh = np.linalg.svd(M.double().numpy(), full_matrices=False)
    kept = sigma > 1e-6 * max(sigma[0], 1e-300)
    return sigma.sum(), (U[:, kept]) @ Vh[kept]


def value_and_gradient(M, method):
    X = M.clone().requires_grad_()
    value = nuclear_norm(X, method)
    value.sum().backward()
    return value.detach(), X.grad


@pytest.mark.parametrize("method", METHODS)
@given(P=st.integers(1, 40), D=st.integers(1, 40), seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_value_and_gradient_equal_the_float64_svd(method, P, D, seed):
    M = unit_rows(P, D, seed)
    norm, polar = reference(M)
    value, gradient = value_and_gradient(M, method)
    assert value.item() == pytest.approx(norm, rel=1e-5)
    smallest = np.linalg.svd(M.double().numpy(), compute_uv=False)[-1]
    if smallest > 1e-3:  # nearer to singular, float32 itself does not fix the direction
        assert np.linalg.norm(gradient.numpy() - polar) <= 2e-3 * np.linalg.norm(polar)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("P", "D"), [(256, 256), (1024, 64), (64, 1024), (512, 512)])
def test_large_random_matrices_meet_the_stated_accuracy(method, P, D):
    M = unit_rows(P, D, seed=1)
    norm, polar = reference(M)
    value, gradient = value_and_gradient(M, method)
    assert value.item() == pytest.approx(norm, rel=1e-5)
    assert np.linalg.norm(gradient.numpy() - polar) <= 1e-3 * np.linalg.norm(polar)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "M",
    [
        torch.zeros(6, 4),
        torch.zeros(4, 4),
        unit_rows(1, 7, 0),
        unit_rows(7, 1, 0),
        unit_rows(3, 8, 0).repeat(4, 1),  # duplicate rows
        torch.eye(5),  # all singular values equal
        torch.diag(torch.tensor([1.0, 0.5, 1e-7])),  # a tiny one
    ],
    ids=["zero", "zero-square", "one-row", "one-column", "duplicates", "identity", "tiny"],
)
def test_degenerate_matrices_have_finite_values_and_gradients(method, M):
    norm, _ = reference(M)
    value, gradient = value_and_gradient(M, method)
    assert value.item() == pytest.approx(norm, rel=1e-5, abs=1e-6)
    assert torch.isfinite(gradient).all()
    assert torch.linalg.matrix_norm(gradient, 2) <= 1 + 1e-2  # a subgradient: spectral norm at most 1


@pytest.mark.parametrize("method", METHODS)
def test_duplicate_rows_get_the_least_norm_subgradient(method):
    M = unit_rows(3, 8, 0).repeat(4, 1)
    _, polar = reference(M)
    _, gradient = value_and_gradient(M, method)
    np.testing.assert_allclose(gradient.numpy(), polar, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_matrix_with_nan_gives_nan_and_leaves_its_batch_alone(method, bad):
    batch = torch.stack([unit_rows(4, 6, 0), unit_rows(4, 6, 1)])
    alone = nuclear_norm(batch[1], method)
    batch[0, 2, 3] = bad
    value = nuclear_norm(batch, method)
    assert torch.isnan(value[0])
    assert value[1].item() == pytest.approx(alone.item(), rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_batches_are_the_matrices_one_by_one(method):
    batch = torch.stack([unit_rows(5, 9, seed) for seed in range(6)]).view(2, 3, 5, 9)
    value, gradient = value_and_gradient(batch, method)
    for i in range(2):
        for j in range(3):
            one, its_gradient = value_and_gradient(batch[i, j], method)
            torch.testing.assert_close(value[i, j], one)
            torch.testing.assert_close(gradient[i, j], its_gradient, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_the_gradient_is_the_derivative_of_the_value_in_float64(method):
    M = unit_rows(5, 7, 3, torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda X: nuclear_norm(X, method), (M,), eps=1e-6, atol=1e-5)


def test_half_precision_is_computed_in_float32_even_under_autocast():
    M = unit_rows(16, 16, 0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = nuclear_norm(M, "polar")
    assert value.item() == pytest.approx(reference(M)[0], rel=1e-5)
    assert nuclear_norm(M.bfloat16()).dtype == torch.float32


def test_double_backward_is_refused():
    M = unit_rows(4, 4, 0).requires_grad_()
    with pytest.raises(RuntimeError, match="differentiable once"):
        torch.autograd.grad(nuclear_norm(M), M, create_graph=True)


def test_unknown_methods_and_vectors_are_refused():
    with pytest.raises(ValueError, match="use one of auto, svd, eigh, polar"):
        nuclear_norm(torch.eye(2), "qr")
    with pytest.raises(ValueError, match="expected"):
        nuclear_norm(torch.ones(3))
