"""What theory says of the nuclear norm of P mean embeddings in D dimensions. numpy and scipy only.

Sources: [S24] Schaeffer et al. 2024, arXiv 2406.09366; [I23] Isik, Schaeffer, Lecomte et al. 2023, "An
Information-Theoretic Understanding of Maximum Manifold Capacity Representations"; [MP67] Marchenko and
Pastur 1967.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import hyp2f1

Array = NDArray[np.float64]


class Decomposition(NamedTuple):
    """Two factors in [0, 1] of the share of the bound that is reached; 1 is perfect for each."""

    reconstruction: float | Array
    uniformity: float | Array


def nuclear_norm_bound(points: ArrayLike, dims: ArrayLike) -> float | Array:
    """sqrt(P min(P, D)), the largest nuclear norm of P rows of length at most 1 in D dimensions.

    Args: points, dims: P and D, positive, broadcast against each other.
    Returns: float or array. Source: I23, proposition 2.3.
    """
    P, D = np.asarray(points, float), np.asarray(dims, float)
    return _scalar(np.sqrt(P * np.minimum(P, D)))


def percent_error(nuclear_norm: ArrayLike, points: ArrayLike, dims: ArrayLike) -> float | Array:
    """Pretraining percent error (bound - ||M||_*) / bound: a fraction in [0, 1], comparable across P and D.

    Args: nuclear_norm: ||M||_*; points, dims: P and D. Broadcast against each other.
    Returns: float or array, NaN where the norm is NaN; rounding below 0 is clipped.
    Raises: ValueError where a norm lies outside [0, bound] by more than rounding (1e-4 of the bound).
    Source: S24.
    """
    error = 1 - np.asarray(nuclear_norm, float) / nuclear_norm_bound(points, dims)
    if np.any((error < -1e-4) | (error > 1 + 1e-4)):
        raise ValueError("nuclear norm outside [0, sqrt(P min(P, D))]: are the rows of M longer than 1?")
    return _scalar(np.clip(error, 0, 1))


def expected_percent_error(points: ArrayLike, dims: ArrayLike) -> float | Array:
    """Percent error of perfectly reconstructed, perfectly uniform embeddings as P, D grow at fixed ratio.

    D M M^T then follows the Marchenko-Pastur law of aspect ratio g = min(P, D) / max(P, D), and the mean of
    sqrt(x) under that law is the Gauss hypergeometric function 2F1(1/2, -1/2; 2; g) (its moments of integer
    order k are 2F1(1 - k, -k; 2; g)). So e = 1 - 2F1(1/2, -1/2; 2; g): 1 - 8 / (3 pi) = 0.1512 at P = D and
    about g / 8 far from it. A reference level, not a lower bound: learners may go below.

    Args: points, dims: P and D, positive, broadcast against each other.
    Returns: float or array in [0, 0.1512]. Source: MP67; the O() of I23, theorem 2.5, made exact.
    """
    P, D = np.asarray(points, float), np.asarray(dims, float)
    ratio = np.minimum(P, D) / np.maximum(P, D)
    return _scalar(1 - hyp2f1(0.5, -0.5, 2.0, ratio))


def decompose(M: ArrayLike) -> Decomposition:
    """Split of the percent error into reconstruction r and uniformity u: e = 1 - r u, exactly.

    r = ||M||_F / sqrt(P), the root mean square length of the mean embeddings; u = ||M||_* / (||M||_F
    sqrt(min(P, D))), the flatness of the spectrum.

    Args: M: (..., P, D) mean embeddings, rows of length at most 1.
    Returns: (r, u), each (...). A zero matrix has r = 0, u = 0.
    """
    matrix = np.asarray(M, float)
    P, D = matrix.shape[-2:]
    sigma = np.linalg.svd(matrix, compute_uv=False)
    frobenius = np.sqrt((sigma**2).sum(-1))
    flatness = sigma.sum(-1) / np.where(frobenius > 0, frobenius, 1) / np.sqrt(min(P, D))
    return Decomposition(_scalar(frobenius / np.sqrt(P)), _scalar(flatness))


def simulate_uniform(points: int, dims: int, rng: np.random.Generator) -> float:
    """Percent error of P independent, uniform unit rows in D dimensions: perfect reconstruction and
    uniformity (I23, definitions 2.1 and 2.2) at finite size. Works on the smaller Gram matrix.

    Args: points, dims: P, D; rng: numpy generator. Returns: one draw of the percent error.
    """
    rows = rng.standard_normal((points, dims))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    gram = rows @ rows.T if points <= dims else rows.T @ rows
    sigma = np.sqrt(np.clip(np.linalg.eigvalsh(gram), 0, None))
    return float(percent_error(sigma.sum(), points, dims))


def _scalar(value: Array) -> float | Array:
    return float(value) if np.ndim(value) == 0 else value
