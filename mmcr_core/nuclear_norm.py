"""The nuclear norm ||M||_* = sum of singular values, and its gradient, the polar factor of M.

With the thin SVD M = U S V^T, ||M||_* = <U V^T, M> and d||M||_*/dM = U V^T, the polar factor. One forward
pass therefore yields the gradient too: it is kept, and backward is one scaling. No method differentiates
through a decomposition, so repeated or zero singular values do no harm; on the null space the gradient is
zero (the subgradient of least norm).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

METHODS = ("auto", "svd", "eigh", "polar")

# Odd quintics p(x) = a x + b x^3 + c x^5 whose composition maps [1e-3, 1] closest to 1: Polar Express,
# Amsel et al. 2025, arXiv 2505.16932, algorithm 1. The last one repeats (it converges cubically).
_POLAR_EXPRESS = (
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
    (1.891301407787398, -1.2679958271945868, 0.37680408948524835),
    (1.875, -1.25, 0.375),
)
_POLAR_ITERATIONS = 10


def nuclear_norm(M: Tensor, method: str = "auto") -> Tensor:
    """Nuclear norm of each matrix of a batch, differentiable once.

    Args:
        M: (..., P, D) real. float32 and float64 are computed in their own precision, half types in float32.
        method: `svd` (the reference), `eigh` (eigenvectors of the smaller Gram matrix, in float64), `polar`
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
            finite = torch.isfinite(M).all(dim=-1).all(dim=-1)
            safe = torch.where(finite[..., None, None], M, 0.0)
            value, polar = {"svd": _svd, "eigh": _eigh, "polar": _polar}[method](safe)
        ctx.save_for_backward(polar)
        return torch.where(finite, value, torch.nan)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor, None]:
        (polar,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return grad[..., None, None] * polar, None


def _svd(M: Tensor) -> tuple[Tensor, Tensor]:
    U, sigma, Vh = torch.linalg.svd(M, full_matrices=False)
    tolerance = sigma[..., :1] * max(M.shape[-2:]) * torch.finfo(M.dtype).eps
    return sigma.sum(-1), (U * (sigma > tolerance)[..., None, :].to(M.dtype)) @ Vh


def _eigh(M: Tensor) -> tuple[Tensor, Tensor]:
    """Gram matrix and eigenvectors in float64: its eigenvalues are squares, so float32 would lose every
    singular value below 3e-4 of the largest."""
    if M.shape[-2] > M.shape[-1]:
        value, polar = _eigh(M.mT)
        return value, polar.mT
    X = M.double()
    squares, V = torch.linalg.eigh(X @ X.mT)
    sigma = squares.clamp_min(0).sqrt()
    # Rounding of the Gram matrix leaves eigenvalues of null directions near n * eps * largest.
    tolerance = sigma[..., -1:] * (M.shape[-2] * torch.finfo(torch.float64).eps) ** 0.5
    inverse = torch.where(sigma > tolerance, 1 / sigma.clamp_min(torch.finfo(torch.float64).tiny), 0.0)
    polar = (V * inverse[..., None, :]) @ (V.mT @ X)
    return sigma.sum(-1).to(M.dtype), polar.to(M.dtype)


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
    for step in range(_POLAR_ITERATIONS):
        a, b, c = _POLAR_EXPRESS[min(step, len(_POLAR_EXPRESS) - 1)]
        gram = X @ X.mT
        X = a * X + (b * gram + c * (gram @ gram)) @ X
    return (X * M).sum((-2, -1)), X
