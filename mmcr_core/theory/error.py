"""The percent error of P mean embeddings in D dimensions: the bound of their nuclear norm, the error's decomposition,
the uniform baseline (Marchenko-Pastur), effective ranks and representation collapse.

Sources: [S24] Schaeffer et al. 2024, arXiv 2406.09366; [I23] Isik, Schaeffer, Lecomte et al. 2023, "An
Information-Theoretic Understanding of Maximum Manifold Capacity Representations"; [MP67] Marchenko and
Pastur 1967.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_triangular
from scipy.special import hyp2f1

Array = NDArray[np.float64]
QUADRATURE = 400  # nodes; errors below 1e-6
PERCENT_ERROR = "percent_error"  # its name in tables
FINAL_SHARE = 0.05  # of the steps of a run, over the last of which its percent error is a mean


def final_steps(steps: int) -> int:
    """Over how many of its last steps the percent error of a run of so many is a mean."""
    return max(1, round(FINAL_SHARE * steps))


class Decomposition(NamedTuple):
    """Two factors in [0, 1] of the share of the bound that is reached; 1 is perfect for each."""

    reconstruction: float | Array
    uniformity: float | Array


def nuclear_norm_bound(points: ArrayLike, dims: ArrayLike) -> float | Array:
    """sqrt(P min(P, D)), the largest nuclear norm of P rows of length at most 1 in D dimensions.

    Args: points, dims: P and D, positive, broadcast against each other.
    Returns: float or array. Raises: ValueError where P or D is not positive. Source: I23, proposition 2.3.
    """
    P, D = np.asarray(points, float), np.asarray(dims, float)
    if not np.all((P > 0) & (D > 0)):
        raise ValueError("P and D must be positive numbers")
    return scalar(np.sqrt(P * np.minimum(P, D)))


def percent_error(nuclear_norm: ArrayLike, points: ArrayLike, dims: ArrayLike) -> float | Array:
    """Pretraining percent error (bound - ||M||_*) / bound: a fraction in [0, 1], comparable across P and D.

    Args: nuclear_norm: ||M||_*; points, dims: P and D. Broadcast against each other.
    Returns: float or array, NaN where the norm is NaN; rounding below 0 is clipped.
    Raises: ValueError where a norm lies outside [0, bound] by more than rounding (1e-4 of the bound), or P or D is not
        positive.
    Source: S24.
    """
    error = 1 - np.asarray(nuclear_norm, float) / nuclear_norm_bound(points, dims)
    if np.any((error < -1e-4) | (error > 1 + 1e-4)):
        raise ValueError("nuclear norm outside [0, sqrt(P min(P, D))]: are the rows of M longer than 1?")
    return scalar(np.clip(error, 0, 1))


def expected_percent_error(
    points: ArrayLike, dims: ArrayLike, N: ArrayLike | None = None, rank: ArrayLike | None = None
) -> float | Array:
    """Percent error of perfectly reconstructed, perfectly uniform embeddings as P, D and N grow at fixed ratios.

    Endless data (N None): D M M^T follows the Marchenko-Pastur law of aspect ratio g = min(P, D) / max(P, D), and the
    mean of sqrt(x) under that law is the Gauss hypergeometric function 2F1(1/2, -1/2; 2; g) (its moments of integer
    order k are 2F1(1 - k, -k; 2; g)). So e = 1 - 2F1(1/2, -1/2; 2; g): 1 - 8 / (3 pi) = 0.1512 at P = D and
    about g / 8 far from it.

    A data set of N images: a batch is P of them without replacement, and the most uniform that N unit vectors can be is
    a tight frame. P rows of it, drawn at random, follow the MANOVA law (Wachter's), with b = P/N and g = D/N: density
    sqrt((h - x)(x - l)) / (2 pi x (1 - x)) between l, h = (sqrt(b (1 - g)) -+ sqrt(g (1 - b)))^2 and an atom of
    (b + g - 1)+ at 1, so that ||M||_* = N sqrt(N / D) (integral of sqrt(x) + atom). The baseline falls as P grows
    towards N: it is 0 where a batch is the whole set, and where N <= D (all images orthogonal).

    A network whose last hidden layer has r < D units gives M of rank r at most: embeddings that are uniform in those r
    dimensions have the norm sqrt(P min(P, r)) (1 - e(P, r)), so the baseline is 1 - sqrt(min(P, r) / min(P, D)) (1 -
    e(P, r)); at P = D = 1024 and r = 512 it is 0.34 instead of 0.15.

    A baseline, not a lower bound: learners may go below. P independent unit rows have it up to 0.04 / min(P, D).

    Args: points, dims: P and D, positive; N: images of the data set, P or more; rank: r, positive (None: no bound);
        broadcast against each other.
    Returns: float or array in [0, 1). Raises: ValueError where P exceeds N, or something is not positive.
    Source: MP67; Wachter 1980; Haikin, Zamir and Gavish 2017, "Random subsets of structured deterministic frames have
        MANOVA spectra"; the O() of I23, theorem 2.5, made exact.
    """
    images, bound = (np.inf if value is None else np.asarray(value, float) for value in (N, rank))
    P, D, images, bound = np.broadcast_arrays(np.asarray(points, float), np.asarray(dims, float), images, bound)
    if not np.all((P > 0) & (D > 0) & (bound > 0)):
        raise ValueError("P, D and rank must be positive numbers")
    if not np.all(images >= P):
        raise ValueError("a batch holds more images than the data set; N must be P or more")
    within = np.minimum(D, bound)
    share = np.where(
        np.isinf(images),
        hyp2f1(0.5, -0.5, 2.0, np.minimum(P, within) / np.maximum(P, within)),
        _frame_share(P, within, np.where(np.isinf(images), 2 * np.maximum(P, within), images)),
    )
    return scalar(np.maximum(1 - np.sqrt(np.minimum(P, within) / np.minimum(P, D)) * share, 0.0))


def _frame_share(P: Array, D: Array, N: Array) -> Array:
    """||M||_* / sqrt(P min(P, D)) of P random rows of a tight frame of N unit vectors in D dimensions."""
    b, g = P / N, np.minimum(D, N) / N  # N vectors in more dimensions are orthogonal, as in N
    root = np.sqrt(b * (1 - g)), np.sqrt(g * (1 - b))
    low, high = (root[0] - root[1]) ** 2, (root[0] + root[1]) ** 2
    nodes, weights = _gauss_legendre()
    angle = np.pi / 2 * (nodes + 1)  # x = middle - half cos(angle): no square root is left at the ends
    half = ((high - low) / 2)[..., None]
    x = low[..., None] + half * (1 - np.cos(angle))
    left = np.maximum(1 - high, 0.0)[..., None] + half * (1 + np.cos(angle)) + 1e-300
    density = half**2 * np.sin(angle) ** 2 / (2 * np.pi * np.sqrt(np.maximum(x, 1e-300)) * left)
    integral = (density * weights).sum(-1) * np.pi / 2
    share: Array = np.sqrt(1 / g) * (integral + np.maximum(b + g - 1, 0)) / np.sqrt(b * np.minimum(b, g))
    return share


@functools.cache
def _gauss_legendre() -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(QUADRATURE)
    return nodes, weights


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
    return Decomposition(scalar(frobenius / np.sqrt(P)), scalar(flatness))


def effective_rank(singular_values: ArrayLike) -> float:
    """exp of the entropy of singular values that are normalized to sum 1: between 1 (one direction) and their number
    (all directions alike); 0 of a zero matrix.

    Args: singular_values: (n,), 0 or more, of a matrix that is not centered: embeddings that have collapsed to a point
        have rank 1 so, while the noise that is left after centring would look like many directions.
    Source: Roy and Vetterli 2007, "The effective rank"; on embeddings, Garrido et al. 2023 (RankMe).
    """
    sigma = np.asarray(singular_values, float)
    if not sigma.any():
        return 0.0
    share = sigma[sigma > 0] / sigma.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def nuclear_rank(uniformity: ArrayLike, points: ArrayLike, dims: ArrayLike) -> float | Array:
    """(||M||_* / ||M||_F)^2 = u^2 min(P, D), an effective rank of the mean embeddings that every run has in its
    trajectory: between 1 (one direction) and min(P, D) (all alike).

    Args: uniformity: u of `decompose`; points, dims: P and D. Broadcast against each other.
    """
    return scalar(np.asarray(uniformity, float) ** 2 * np.minimum(points, dims))


@dataclass(frozen=True)
class RepresentationCollapse:
    """Mean embeddings that lie in few directions: their nuclear `rank`, of `directions` = min(P, D) at most."""

    rank: float
    directions: int

    def describe(self) -> str:
        """A sentence for people."""
        return f"collapsed: effective rank {self.rank:.1f} of {self.directions}"


def detect_collapse(uniformity: float, points: int, dims: int) -> RepresentationCollapse | None:
    """Whether the mean embeddings of a run have collapsed, by the uniformity u at its end or after a tenth of it at
    least; None of a healthy run, and where u is NaN.

    Collapsed is a nuclear rank below 1 + min(1, (m - 1) / 8), m = min(P, D): 2 from m = 9 on. On the digits `alignment`
    falls to 1.1 to 1.5; objectives that keep images apart stay above 2.5 on their way and 3.7 at their end
    (docs/measures.md).
    """
    directions = min(points, dims)
    rank = float(nuclear_rank(uniformity, points, dims))
    collapsed = rank < 1 + min(1.0, (directions - 1) / 8)  # NaN is no rank
    return RepresentationCollapse(rank, directions) if collapsed else None


def simulate_uniform(points: int, dims: int, rng: np.random.Generator, N: float | None = None) -> float:
    """Percent error of P uniform unit rows in D dimensions, perfectly reconstructed, at finite size. Endless data (N
    None or infinite): independent rows (I23, definitions 2.1 and 2.2). A data set of N images: P of N rows of a random
    tight frame, drawn without replacement, as `expected_percent_error` has them.

    Args: points, dims: P, D; rng: numpy generator; N: images of the data set. Returns: one draw of the percent error.
    Raises: ValueError where P exceeds N.
    """
    images = np.inf if N is None else float(N)
    if images < points:
        raise ValueError("a batch holds more images than the data set; N must be P or more")
    if images <= dims:
        return 0.0  # all images are orthogonal
    rows = rng.standard_normal((points, dims))
    if np.isfinite(images):
        whole = rows.T @ rows + _scatter(int(images) - points, dims, rng)
        rows = np.asarray(solve_triangular(np.linalg.cholesky(whole), rows.T, lower=True)).T
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    gram = rows @ rows.T if points <= dims else rows.T @ rows
    sigma = np.sqrt(np.clip(np.linalg.eigvalsh(gram), 0, None))
    return float(percent_error(sigma.sum(), points, dims))


def _scatter(rows: int, dims: int, rng: np.random.Generator) -> Array:
    """X^T X of X (rows, dims) of standard normal numbers: a Wishart matrix, by Bartlett's factor of many rows."""
    if rows < dims:
        X = rng.standard_normal((rows, dims))
        return np.asarray(X.T @ X)
    factor = np.tril(rng.standard_normal((dims, dims)), -1)
    factor[np.diag_indices(dims)] = np.sqrt(rng.chisquare(rows - np.arange(dims)))
    return np.asarray(factor @ factor.T)


def scalar(value: Array) -> float | Array:
    """A number of an array without axes; other arrays as they are."""
    return float(value) if np.ndim(value) == 0 else value
