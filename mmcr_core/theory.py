"""What theory says of the nuclear norm of P mean embeddings in D dimensions, of the mutual information of two views,
and of the points that a hyperplane can tell apart. numpy and scipy only.

Sources: [S24] Schaeffer et al. 2024, arXiv 2406.09366; [I23] Isik, Schaeffer, Lecomte et al. 2023, "An
Information-Theoretic Understanding of Maximum Manifold Capacity Representations"; [MP67] Marchenko and
Pastur 1967.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar, nnls
from scipy.special import betainc, digamma, gammaln, hyp2f1, ive

Array = NDArray[np.float64]
QUADRATURE = 400  # nodes; errors below 1e-6


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
    (b + g - 1)+ at 1, so that ||M||_* = N sqrt(N / D) (integral of sqrt(x) + atom). The level falls as P grows towards
    N: it is 0 where a batch is the whole set, and where N <= D (all images orthogonal).

    A network whose last hidden layer has r < D units gives M of rank r at most: embeddings that are uniform in those r
    dimensions have the norm sqrt(P min(P, r)) (1 - e(P, r)), so the level is 1 - sqrt(min(P, r) / min(P, D)) (1 -
    e(P, r)); at P = D = 1024 and r = 512 it is 0.34 instead of 0.15.

    A reference level, not a lower bound: learners may go below. P independent unit rows have it up to 0.04 / min(P, D).

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
    return _scalar(np.maximum(1 - np.sqrt(np.minimum(P, within) / np.minimum(P, D)) * share, 0.0))


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


def separable_probability(points: ArrayLike, dims: ArrayLike) -> float | Array:
    """Cover's function: the share of the 2^P ways to label P points in N dimensions, in general position, that a
    hyperplane through the origin tells apart: 2^(1-P) sum_{k<N} binom(P - 1, k).

    1 up to P = N, exactly 1/2 at P = 2N (the capacity, P / N = 2), near 0 beyond, the more suddenly the larger N. The
    sum is the incomplete beta function I_1/2(P - N, N), which is used between whole numbers too.

    Args: points, dims: P and N, positive, broadcast against each other. Returns: float or array in [0, 1].
    Raises: ValueError where one is not positive. Source: Cover 1965, theorem 1.
    """
    P, N = np.broadcast_arrays(np.asarray(points, float), np.asarray(dims, float))
    if not np.all((P > 0) & (N > 0)):
        raise ValueError("the numbers of points and of dimensions must be positive")
    return _scalar(np.where(P > N, betainc(np.maximum(P - N, 1e-300), N, 0.5), 1.0))


def linearly_separable(points: ArrayLike, labels: ArrayLike) -> bool:
    """Whether some hyperplane through the origin has all points with label 1 on one side, those with -1 on the other.

    By Gordan's theorem there is one unless a convex combination of the points times their labels is 0, which
    non-negative least squares finds where it exists.

    Args: points: (P, D); labels: (P,) of +-1. A point at the origin is on no side.
    """
    rows = np.asarray(points, float) * np.asarray(labels, float)[:, None]
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.all(lengths):
        return False
    system = np.vstack([(rows / lengths).T, np.ones(len(rows))])
    goal = np.append(np.zeros(rows.shape[1]), 1.0)
    return bool(nnls(system, goal, maxiter=100 * len(rows))[1] > 1e-9)


def mutual_information_bound(
    z1: ArrayLike, z2: ArrayLike, *, concentration: float | None = None, neighbours: int = 3
) -> float:
    """Lower bound, in nats, of the mutual information of two views' embeddings: reconstruction plus entropy,
    I[Z1; Z2] >= E[log q(Z1 | Z2)] + H[Z1].

    q is von Mises-Fisher around z2. H is estimated from the distance of each z1 to its k-th nearest
    neighbour, through the exact area of the spherical cap between them; for uniform embeddings that estimate
    has no bias in any dimension. Perfect reconstruction makes the bound infinite, as it is for continuous
    variables.

    Args: z1, z2: (n, D) unit rows, pairs of views, n > neighbours, D >= 2; concentration: kappa of q (None:
        the one that makes the bound largest); neighbours: k.
    Raises: ValueError for other shapes or rows that are not of unit length.
    Source: I23, equation 4 and theorems 2.6 and 2.7; the entropy estimate is Kozachenko and Leonenko 1987.
    """
    a, b = np.asarray(z1, float), np.asarray(z2, float)
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] < 2 or len(a) <= neighbours:
        raise ValueError(f"z1 and z2 must both be (n, D) with n > {neighbours}, D >= 2; got {a.shape} and {b.shape}")
    if not np.allclose(np.linalg.norm([a, b], axis=-1), 1, atol=1e-4):
        raise ValueError("the rows of z1 and z2 must have length 1")
    cosine, D = float((a * b).sum(1).mean()), a.shape[1]
    if cosine >= 1 - 1e-9 and concentration is None:
        return float("inf")

    def reconstruction(kappa: float) -> float:
        return kappa * cosine + log_von_mises_fisher_constant(kappa, D)

    if concentration is None:
        best = minimize_scalar(lambda log: -reconstruction(np.exp(log)), bounds=(-12, 24), method="bounded")
        concentration = float(np.exp(best.x))
    return reconstruction(concentration) + sphere_entropy(a, neighbours)


def sphere_entropy(z: ArrayLike, neighbours: int = 3) -> float:
    """Differential entropy in nats, over the surface of the unit sphere, of the distribution of the rows of z
    (n, D); at most log(area of the sphere), reached by uniform rows. Estimator: see mutual_information_bound."""
    rows = np.asarray(z, float)
    n, D = rows.shape
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.clip(-np.partition(-cosines, neighbours - 1, axis=1)[:, neighbours - 1], -1, 1)
    half = 0.5 * betainc((D - 1) / 2, 0.5, np.clip(1 - nearest**2, 1e-300, 1))  # share of a cap below a half sphere
    share = np.where(nearest >= 0, half, 1 - half)
    return float(log_sphere_area(D) + np.log(share).mean() + digamma(n) - digamma(neighbours))


def log_sphere_area(dims: int) -> float:
    """log of the area of the unit sphere in `dims` dimensions."""
    return float(np.log(2) + dims / 2 * np.log(np.pi) - gammaln(dims / 2))


def log_von_mises_fisher_constant(concentration: float, dims: int) -> float:
    """log C_D(kappa) of the density C_D(kappa) exp(kappa mu.x) on the unit sphere in D dimensions.

    Bessel functions of high order through their uniform expansion (Abramowitz and Stegun 9.7.7), within 1e-6.
    """
    order = dims / 2 - 1
    if order < 20:
        log_bessel = np.log(ive(order, concentration)) + concentration
    else:
        ratio = concentration / order
        root = np.sqrt(1 + ratio**2)
        t = 1 / root
        correction = (3 * t - 5 * t**3) / (24 * order) + (81 * t**2 - 462 * t**4 + 385 * t**6) / (1152 * order**2)
        eta = root + np.log(ratio / (1 + root))
        log_bessel = order * eta - 0.5 * np.log(2 * np.pi * order * root) + np.log1p(correction)
    return float(order * np.log(concentration) - dims / 2 * np.log(2 * np.pi) - log_bessel)


def _scalar(value: Array) -> float | Array:
    return float(value) if np.ndim(value) == 0 else value
