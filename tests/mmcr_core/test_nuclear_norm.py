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
    """Value and least-norm polar factor in float64, of one matrix."""
    U, sigma, Vh = np.linalg.svd(M.double().numpy(), full_matrices=False)
    kept = sigma > 1e-6 * max(sigma[0], 1e-300)
    return sigma.sum(), (U[:, kept]) @ Vh[kept]


def with_singular_values(sigma, P, D, seed):
    """A float32 P x D matrix of random directions, multiplied in float32, and the exact polar factor."""
    generator = torch.Generator().manual_seed(seed)
    U, V = (torch.linalg.qr(torch.randn(n, len(sigma), generator=generator, dtype=torch.float64))[0] for n in (P, D))
    sigma = torch.tensor(sigma, dtype=torch.float64)
    return (U * sigma).float() @ V.mT.float(), ((U * (sigma > 0)) @ V.mT).numpy()


def value_and_gradient(M, method):
    X = M.clone().requires_grad_()
    value = nuclear_norm(X, method)
    value.sum().backward()
    return value.detach(), X.grad


@pytest.mark.parametrize("method", METHODS)
@given(P=st.integers(1, 40), D=st.integers(1, 40), seed=st.integers(0, 10_000))
@settings(max_examples=40)
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
@given(
    sigma=st.lists(st.sampled_from([0.0, 0.01, 0.5, 1.0]), min_size=1, max_size=30),
    wider=st.integers(0, 20),
    tall=st.booleans(),
    exponent=st.integers(-30, 30),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=60)
def test_repeated_and_zero_singular_values_do_no_harm_at_any_scale(method, sigma, wider, tall, exponent, seed):
    shape = (len(sigma) + wider, len(sigma)) if tall else (len(sigma), len(sigma) + wider)
    M, polar = with_singular_values(sigma, *shape, seed)
    value, gradient = value_and_gradient(M * 10.0**exponent, method)
    assert value.item() == pytest.approx(sum(sigma) * 10.0**exponent, rel=1e-5)
    # float32 fixes the directions of 0.01 to some 1e-5; rounding noise on null directions was up to 0.2 once.
    np.testing.assert_allclose(gradient.numpy(), polar, atol=2e-3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rank", [2, 40, 159])
@pytest.mark.parametrize(("P", "D"), [(160, 160), (160, 320), (320, 160)])
def test_the_gradient_vanishes_on_the_null_space(method, rank, P, D):
    M, polar = with_singular_values(np.linspace(1, 0.1, rank).tolist(), P, D, seed=2)
    _, gradient = value_and_gradient(M, method)
    assert np.linalg.norm(gradient.numpy() - polar, 2) <= 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_equal_rows_get_the_gradient_of_their_one_direction(method):
    M = unit_rows(1, 96, 0).repeat(48, 1)  # collapse: every embedding the same
    _, gradient = value_and_gradient(M, method)
    np.testing.assert_allclose(gradient.numpy(), M.numpy() / 48**0.5, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [64, 192])
def test_true_singular_values_of_some_millionths_are_no_null_directions(method, n):
    M, _ = with_singular_values([*np.linspace(1, 0.05, n - 1), 3e-6], n, n, seed=4)
    U, _, Vh = np.linalg.svd(M.double().numpy())
    _, gradient = value_and_gradient(M, method)
    assert U[:, -1] @ gradient.double().numpy() @ Vh[-1] == pytest.approx(1, abs=1e-2)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e19, 1e30])
@pytest.mark.parametrize(("P", "D"), [(20, 30), (200, 150)])
def test_squares_of_entries_neither_overflow_nor_vanish(method, scale, P, D):
    M = unit_rows(P, D, 5) * scale
    norm, polar = reference(M)
    value, gradient = value_and_gradient(M, method)
    assert value.item() == pytest.approx(norm, rel=1e-5)
    assert np.linalg.norm(gradient.numpy() - polar) <= 1e-3 * np.linalg.norm(polar)


@pytest.mark.parametrize("method", METHODS)
def test_entries_whose_sum_overflows_are_finite_all_the_same(method):
    M = torch.full((8, 8), 1e37)
    value, gradient = value_and_gradient(M, method)
    assert value.item() == pytest.approx(8e37, rel=1e-5)
    np.testing.assert_allclose(gradient.numpy(), 1 / 8, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_zero_matrices_have_zero_value_and_gradient(method):
    value, gradient = value_and_gradient(torch.zeros(2, 5, 7), method)
    assert not value.any() and not gradient.any()


@pytest.mark.parametrize("method", METHODS)
@given(
    kinds=st.lists(st.sampled_from(["plain", "huge", "tiny", "low rank", "zero", "nan", "inf", "-inf"]), min_size=1),
    place=st.integers(0, 53),
    seed=st.integers(0, 1000),
)
@settings(max_examples=30)
def test_each_matrix_of_a_batch_is_judged_by_itself(method, kinds, place, seed):
    batch = torch.stack([unit_rows(6, 9, seed + i) for i in range(len(kinds))])
    for M, kind in zip(batch, kinds, strict=True):
        if kind in ("nan", "inf", "-inf"):
            M.view(-1)[place] = float(kind)
        elif kind == "low rank":
            M[3:] = M[:3]
        else:
            M *= {"plain": 1.0, "huge": 1e30, "tiny": 1e-30, "zero": 0.0}[kind]
    values, gradients = value_and_gradient(batch, method)
    for M, value, gradient in zip(batch, values, gradients, strict=True):
        if not torch.isfinite(M).all():
            assert torch.isnan(value)
            continue
        alone, its_gradient = value_and_gradient(M, method)
        torch.testing.assert_close(value, alone)
        torch.testing.assert_close(gradient, its_gradient, atol=1e-4, rtol=1e-3)


def test_meta_tensors_pass_without_a_value_read_back():
    M = torch.empty(3, 200, 150, device="meta", requires_grad=True)
    value = nuclear_norm(M)
    value.sum().backward()
    assert (value.shape, value.device.type) == ((3,), "meta")
    assert (M.grad.shape, M.grad.device.type) == (M.shape, "meta")


def test_auto_is_eigh_on_the_cpu():
    M = unit_rows(20, 30, 0)
    assert torch.equal(nuclear_norm(M), nuclear_norm(M, "eigh"))


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
    shapes = torch.ones(3), torch.ones(0, 4), torch.ones(4, 0)
    for M in (*shapes, torch.ones(3, 3, dtype=torch.int64), torch.ones(3, 3, dtype=torch.complex64)):
        with pytest.raises(ValueError, match="expected"):
            nuclear_norm(M)
