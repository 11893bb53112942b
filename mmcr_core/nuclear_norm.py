"""The nuclear norm ||M||_* = sum of singular values, and its gradient, the polar factor of M.

With the thin SVD M = U S V^T, ||M||_* = <U V^T, M> and d||M||_*/dM = U V^T, the polar factor. One forward
pass therefore yields the gradient too: it is kept, and backward is one scaling. No method differentiates
through a decomposition, so repeated or zero singular values do no harm; on the null space the gradient is
zero (the subgradient of least norm).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

SMALL_EIGENVALUE = 5e-4  # of the largest: below it float32 eigenvectors of a Gram matrix are not trusted
FLOAT64_ROWS = 128  # up to so many, float64 throughout is the faster way (measured on 2 AVX-512 cores)
METHODS = ("auto", "svd", "eigh", "polar")

# Odd quintics p(x) = a x + b x^3 + c x^5 whose composition maps [1e-6, 1] to 1 within 3e-11: the greedy minimax
# composition of Polar Express, Amsel et al. 2025, arXiv 2505.16932, algorithm 1, with its cushion of 0.024 and,
# on all but the last two, its safety factor of 1.01 (without which float32 rounding can push a singular value
# past the interval, where the quintic explodes). From 1e-6, because square random matrices are that close to
# singular now and then: gradients of 426 of them, 64 to 1024 wide, were right to 3e-6.
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
    (1.87500010836017, -1.25000012069547, 0.3750000123353),
)


def nuclear_norm(M: Tensor, method: str = "auto") -> Tensor:
    """Nuclear norm of each matrix of a batch, differentiable once.

    Args:
        M: (..., P, D) real. float32 and float64 are computed in their own precision, half types in float32.
        method: `svd` (the reference), `eigh` (eigenvectors of the smaller Gram matrix,
            in float64 where float32 would lose small singular values), `polar`
            (matrix products alone), or `auto`: `polar` on GPUs, `eigh` elsewhere.

    Returns:
        (...) of M's dtype (float32 for half types). NaN where a matrix holds NaN or infinity.

    Raises:
        ValueError: unknown method, or fewer than two dimensions.
        RuntimeError: on double backward.

    Source: Schaeffer et al. 2024 (arXiv 2406.09366); the gradient is Watson 1992's subgradient.
    """
    if method not in METHODS:
        raise ValueError(f"method '{method}' is unknown; use one of {', '.join(METHODS)}")
    if M.ndim < 2:
        raise ValueError(f"M has shape {tuple(M.shape)}; expected (..., P, D)")
    if method == "auto":
        method = "polar" if M.is_cuda else "eigh"
    if M.dtype in (torch.float16, torch.bfloat16):
        M = M.float()
    value: Tensor = _NuclearNorm.apply(M, method)
    return value


class _NuclearNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, M: Tensor, method: str) -> Tensor:
        with torch.autocast(M.device.type, enabled=False):
            finite = torch.isfinite(M.sum(dim=(-2, -1)))  # overflows only where the Gram matrix would
            whole = not M.is_cuda and bool(finite.all())  # a GPU is not waited for, a CPU saves the copy
            safe = M if whole else torch.where(finite[..., None, None], M, 0.0)
            value, polar = {"svd": _svd, "eigh": _eigh, "polar": _polar}[method](safe)
        ctx.save_for_backward(polar)
        return torch.where(finite, value, torch.nan)

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, None]:
        if torch.is_grad_enabled():
            raise RuntimeError("nuclear_norm is differentiable once: call backward or grad without create_graph")
        (polar,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return grad[..., None, None] * polar, None


def _svd(M: Tensor) -> tuple[Tensor, Tensor]:
    U, sigma, Vh = torch.linalg.svd(M, full_matrices=False)
    tolerance = sigma[..., :1] * max(M.shape[-2:]) * torch.finfo(M.dtype).eps
    return sigma.sum(-1), (U * (sigma > tolerance)[..., None, :].to(M.dtype)) @ Vh


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
        value, polar = _eigh_float64(M.double(), M.new_zeros((), dtype=torch.float64))
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
    noise = sigma[..., -1:].double() * M.shape[-2] ** 0.5 * torch.finfo(M.dtype).eps
    weak_value, weak_polar = _eigh_float64(rows[..., :small, :].double(), noise)
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


def _eigh_float64(X: Tensor, least: Tensor) -> tuple[Tensor, Tensor]:
    """Value and polar factor of X (..., m, n), m <= n, in float64; singular values up to `least` count as zero."""
    if X.shape[-2] == 0:
        return X.new_zeros(X.shape[:-2]), X
    squares, V = torch.linalg.eigh(X @ X.mT)
    sigma = squares.clamp_min(0).sqrt()
    # Rounding of the Gram matrix leaves eigenvalues of null directions near m * eps * largest.
    rounding = sigma[..., -1:] * (X.shape[-2] * torch.finfo(X.dtype).eps) ** 0.5
    kept = sigma > torch.maximum(rounding, least)
    inverse = torch.where(kept, 1 / sigma.clamp_min(torch.finfo(X.dtype).tiny), 0.0)
    return sigma.sum(-1), (V * inverse[..., None, :]) @ (V.mT @ X)


def _polar(M: Tensor) -> tuple[Tensor, Tensor]:
    """Odd quintic iterations on M / ||M||_F; 3 matrix products each, the smaller side's Gram matrix first."""
    if M.shape[-2] > M.shape[-1]:
        value, polar = _polar(M.mT)
        return value, polar.mT
    norm = torch.linalg.matrix_norm(M)[..., None, None]
    # Cauchy-Schwarz on the top of the spectrum is loose: ||M M^T||_F >= sigma_1^2 is nearer, and as cheap.
    X = M / norm.clamp_min(torch.finfo(M.dtype).tiny)
    top = torch.linalg.matrix_norm(X @ X.mT)[..., None, None].sqrt()
    X = X / (top * 1.0001).clamp_min(torch.finfo(M.dtype).tiny)
    for a, b, c in _POLAR_EXPRESS:
        gram = X @ X.mT
        X = a * X + (b * gram + c * (gram @ gram)) @ X
    return (X * M).sum((-2, -1)), X
