"""The nuclear norm ||M||_* = sum of singular values, and its gradient, the polar factor of M.

With the thin SVD M = U S V^T, ||M||_* = <U V^T, M> and d||M||_*/dM = U V^T, the polar factor. One forward
pass therefore yields the gradient too: it is kept, and backward is one scaling. No method differentiates
through a decomposition, so repeated or zero singular values do no harm; on the null space the gradient is
zero (the subgradient of least norm). Each matrix is first scaled by a power of two, exactly, so that no square
of an entry overflows or vanishes: the methods below see a largest entry in [1, 2), or zeros.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

SMALL_EIGENVALUE = 5e-4  # of the largest: below it float32 eigenvectors of a Gram matrix are too inexact
FLOAT64_ROWS = 128  # up to so many, float64 throughout is the faster way (measured on 2 AVX-512 cores)
METHODS = ("auto", "svd", "eigh", "polar")

# Singular values up to so many eps of M's type, times the largest, count as zero. Not the customary max(P, D): a
# low-rank matrix rounded to its type gains singular values of a quarter of an eps, made by a product in that type
# about one, from 16 to 1024 wide alike; while of random 1024 x 1024 matrices one in four has a true one below
# 1024 eps = 1.2e-4, and one in 800 below 5 eps = 6e-7. (`eigh` in float32 can't see so far: sqrt(rows) eps.)
NULL_EPS = 5

# Odd quintics p(x) = a x + b x^3 + c x^5 whose composition maps [1e-6, 1] to 1 within 2e-7, and rounding noise to
# 0. The first eleven are the greedy minimax composition of Polar Express, Amsel et al. 2025, arXiv 2505.16932,
# algorithm 1, with its cushion of 0.024 and, on all but the last, its safety factor of 1.01 (without which float32
# rounding can push a singular value past the interval, where the quintic explodes). They end within 4e-3 of 1, but
# multiply what is smaller by 2e6, and the noise of the products becomes 0.12. The last two, with p(1) = 1,
# p'(1) = 0 and no linear term, take it to 4e-3 and 1e-7: they part values at sqrt(2/3), that is at 5e-7 of the
# interval, about NULL_EPS in float32 (and the same in float64). Worst of some 600 random matrices, 16 to 1024 wide:
# 2e-6 of the gradient's norm; on null spaces 1e-5, save 0.06 where all rows are one row up to sign and rounding.
_POLAR_EXPRESS = (
    (8.23985007149654, -23.0017444988713, 16.533108758397),
    (4.11988798673242, -2.87521613476235, 0.516663602116204),
    (4.11971668856937, -2.87517222598798, 0.51666930407169),
    (4.11900409397739, -2.8749895990163, 0.516693043212251),
    (4.11604236954688, -2.87423110977168, 0.516792041460945),
    (4.10377827807022, -2.87109991470327, 0.517207729079574),
    (4.05376880585924, -2.85849778288372, 0.51900199242309),
    (3.86225311040834, -2.81309179563956, 0.527569109681088),
    (3.13111844096353, -2.30146626816765, 0.472672899505029),
    (2.15960160805804, -1.51363103297443, 0.38730704789126),
    (1.88177601431758, -1.25750847151133, 0.375751637068615),
    (0.0, 2.5, -1.5),
    (0.0, 2.5, -1.5),
)


def nuclear_norm(M: Tensor, method: str = "auto") -> Tensor:
    """Nuclear norm of each matrix of a batch, differentiable once.

    Args:
        M: (..., P, D) real. float32 and float64 are computed in their own precision, half types in float32.
        method: `svd` (the reference, in float64), `eigh` (eigenvectors of the smaller Gram
            matrix, in float64 where float32 would lose small singular values), `polar`
            (matrix products alone, no value read back: a CUDA graph can hold it, and meta
            tensors pass), or `auto`: `eigh` on CPUs, `polar` elsewhere.

    Returns:
        (...) of M's dtype (float32 for half types). NaN where a matrix holds NaN or infinity. In float64 `eigh` and
        `polar` square the condition number: values of rank-deficient matrices are good to about 1e-7, `svd`'s to 1e-15.

    Raises:
        ValueError: unknown method, fewer than two dimensions, an empty matrix, or a type that is not real.
        RuntimeError: on double backward.

    Source: Schaeffer et al. 2024 (arXiv 2406.09366); the gradient is Watson 1992's subgradient.
    """
    if method not in METHODS:
        raise ValueError(f"method '{method}' is unknown; use one of {', '.join(METHODS)}")
    if M.ndim < 2 or 0 in M.shape[-2:] or not M.is_floating_point():
        raise ValueError(
            f"M has shape {tuple(M.shape)} of {M.dtype}; expected (..., P, D), not empty, real floating point"
        )
    if method == "auto":
        method = "eigh" if M.device.type == "cpu" else "polar"
    if M.dtype in (torch.float16, torch.bfloat16):
        M = M.float()
    value: Tensor = _NuclearNorm.apply(M, method)
    return value


class _NuclearNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, M: Tensor, method: str) -> Tensor:
        device = "cpu" if M.is_meta else M.device.type  # meta tensors know no autocast
        with torch.autocast(device, enabled=False):
            largest = M.abs().amax(dim=(-2, -1)).clamp_min(torch.finfo(M.dtype).tiny)
            # The power of two below, or what is not finite: such a matrix becomes zeros, and its value 0 * scale NaN.
            scale = largest / (2 * torch.frexp(largest).mantissa)
            safe = (M / scale[..., None, None]).nan_to_num_(0.0, 0.0, 0.0)
            value, polar = {"svd": _svd, "eigh": _eigh, "polar": _polar}[method](safe)
        ctx.save_for_backward(polar)
        return value * scale

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, None]:
        if torch.is_grad_enabled():
            raise RuntimeError("nuclear_norm is differentiable once: call backward or grad without create_graph")
        (polar,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return grad[..., None, None] * polar, None


def _svd(M: Tensor) -> tuple[Tensor, Tensor]:
    U, sigma, Vh = torch.linalg.svd(M.double(), full_matrices=False)
    null = max(NULL_EPS * torch.finfo(M.dtype).eps, max(M.shape[-2:]) * torch.finfo(torch.float64).eps)
    kept = sigma > null * sigma[..., :1]
    return sigma.sum(-1).to(M.dtype), ((U * kept[..., None, :]) @ Vh).to(M.dtype)


def _eigh(M: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvectors V of the smaller Gram matrix; V^T M then has orthogonal rows, and their lengths are the
    singular values.

    The Gram matrix squares the condition number, so in float32 its eigenvectors mix where singular values are
    below about 2e-2 of the largest. Those few rows are separated from the others to second order, and among
    themselves in float64.
    """
    if M.shape[-2] > M.shape[-1]:
        value, polar = _eigh(M.mT)
        return value, polar.mT
    if M.dtype == torch.float64 or M.shape[-2] <= FLOAT64_ROWS:
        value, polar = _eigh_float64(M.double(), NULL_EPS * torch.finfo(M.dtype).eps)
        return value.to(M.dtype), polar.to(M.dtype)
    squares, V = torch.linalg.eigh(_gram_upper(M).mT, UPLO="L")  # ascending; LAPACK's own layout, so no copy
    rows = V.mT @ M
    small = int((squares < SMALL_EIGENVALUE * squares[..., -1:]).sum(-1).max())
    sigma = torch.linalg.vector_norm(rows, dim=-1)
    if 0 < small < M.shape[-2]:
        weak, strong = rows[..., :small, :], rows[..., small:, :]
        gap = sigma[..., None, small:].square() - sigma[..., :small, None].square()
        turn = (weak @ strong.mT) / gap.clamp_min(torch.finfo(M.dtype).tiny)
        weak.sub_(turn @ strong)
        V[..., :small] -= V[..., small:] @ turn.mT
    null = M.shape[-2] ** 0.5 * torch.finfo(M.dtype).eps  # the float32 products above leave so much
    weak_value, weak_polar = _eigh_float64(rows[..., :small, :].double(), null, sigma[..., -1:].double())
    value = sigma[..., small:].sum(-1) + weak_value.to(M.dtype)
    rows.div_(sigma.clamp_min(torch.finfo(M.dtype).tiny)[..., None])
    rows[..., :small, :] = weak_polar
    return value, V @ rows


def _gram_upper(M: Tensor) -> Tensor:
    """M M^T, three of its four quarters: the lower left one is not read."""
    n, half = M.shape[-2], M.shape[-2] // 2
    gram = M.new_empty(*M.shape[:-2], n, n)
    torch.matmul(M[..., :half, :], M.mT, out=gram[..., :half, :])
    torch.matmul(M[..., half:, :], M[..., half:, :].mT, out=gram[..., half:, half:])
    return gram


def _eigh_float64(X: Tensor, null: float, largest: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Value and polar factor of X (..., m, n), m <= n, in float64. Singular values up to `null` times `largest`
    (..., 1), by default X's own, count as zero."""
    if X.shape[-2] == 0:
        return X.new_zeros(X.shape[:-2]), X
    squares, V = torch.linalg.eigh(X @ X.mT)
    sigma = squares.clamp_min(0).sqrt()
    # Rounding of the Gram matrix leaves eigenvalues of null directions near m * eps * largest.
    null = max(null, (X.shape[-2] * torch.finfo(X.dtype).eps) ** 0.5)
    kept = sigma > null * (sigma[..., -1:] if largest is None else largest)
    inverse = torch.where(kept, 1 / sigma.clamp_min(torch.finfo(X.dtype).tiny), 0.0)
    return sigma.sum(-1), (V * inverse[..., None, :]) @ (V.mT @ X)


def _polar(M: Tensor) -> tuple[Tensor, Tensor]:
    """Odd quintic iterations on M / top, top >= sigma_1; 3 matrix products each, the smaller side's Gram matrix
    first, and 4 kernels."""
    if M.shape[-2] > M.shape[-1]:
        value, polar = _polar(M.mT)
        return value, polar.mT
    if M.ndim > 3:
        value, polar = _polar(M.flatten(0, -3))
        return value.view(M.shape[:-2]), polar.view(M.shape)
    plus_product = torch.addmm if M.ndim == 2 else torch.baddbmm
    norm = torch.linalg.matrix_norm(M, keepdim=True)
    X = M / norm.clamp_min(torch.finfo(M.dtype).eps)  # of a zero matrix: zeros
    gram = X @ X.mT
    # As an upper bound of sigma_1, ||M||_F is loose; ||(M M^T)^2||_F^(1/4) is near, for one product more.
    fourth = torch.linalg.matrix_norm(gram @ gram, keepdim=True)
    inverse = fourth.clamp_min(torch.finfo(M.dtype).tiny) ** -0.25 / 1.0001
    X, gram = X * inverse, gram * inverse.square()
    (a, b, c), *others = _POLAR_EXPRESS
    X = plus_product(X, plus_product(gram, gram, gram, beta=b, alpha=c), X, beta=a)
    for a, b, c in others:
        gram = X @ X.mT
        factor = plus_product(gram, gram, gram, beta=b, alpha=c)
        if a:  # rounds less than a * X + factor @ X; above, where the cancellation is larger, it would round more
            factor.diagonal(dim1=-2, dim2=-1).add_(a)
        X = factor @ X
    return (X * M).sum((-2, -1)), X
