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
from scipy.special import betainc, gammaln, hyp2f1, ive
from scipy.stats import t as student_t

Array = NDArray[np.float64]
QUADRATURE = 400  # nodes; errors below 1e-6
CONCENTRATIONS = (-12.0, 24.0)  # logs of those that are tried for a von Mises-Fisher distribution


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
    (b + g - 1)+ at 1, so that ||M||_* = N sqrt(N / D) (integral of sqrt(x) + atom). The baseline falls as P grows towards
    N: it is 0 where a batch is the whole set, and where N <= D (all images orthogonal).

    A network whose last hidden layer has r < D units gives M of rank r at most: embeddings that are uniform in those r
    dimensions have the norm sqrt(P min(P, r)) (1 - e(P, r)), so the baseline is 1 - sqrt(min(P, r) / min(P, D)) (1 -
    e(P, r)); at P = D = 1024 and r = 512 it is 0.34 instead of 0.15.

    A reference, not a lower bound: learners may go below. P independent unit rows have it up to 0.04 / min(P, D).

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
    return _scalar(np.asarray(uniformity, float) ** 2 * np.minimum(points, dims))


def collapse(uniformity: float, points: int, dims: int) -> str:
    """What is to be said of a run whose mean embeddings lie in a few directions, by the uniformity u at its end or
    after a tenth of it at least; empty of a healthy run.

    Collapsed is a nuclear rank below 1 + min(1, (m - 1) / 8), m = min(P, D): 2 from m = 9 on. On the digits `alignment`
    falls to 1.1 to 1.5; objectives that keep images apart stay above 2.5 on their way and 3.8 at their end
    (docs/measures.md).
    """
    directions = min(points, dims)
    rank = float(nuclear_rank(uniformity, points, dims))
    if not rank < 1 + min(1.0, (directions - 1) / 8):  # NaN is no rank
        return ""
    return f"collapsed: effective rank {rank:.1f} of {directions}"


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


class InformationBound(NamedTuple):
    """Lower bound of a mutual information in nats with its 95 % interval; `reconstruction` + `entropy` are its two
    terms, `concentration` is kappa of q (geometric mean of the halves'), `ceiling` the most that so many pairs can
    show."""

    value: float
    low: float
    high: float
    reconstruction: float
    entropy: float
    concentration: float
    ceiling: float


def mutual_information_bound(z1: ArrayLike, z2: ArrayLike, *, concentration: float | None = None) -> InformationBound:
    """Lower bound, in nats, of the mutual information of two views' embeddings: reconstruction plus entropy,
    I[Z1; Z2] >= E[log q(Z1 | Z2)] + H[Z1].

    q is von Mises-Fisher around z2, and H[Z1] is estimated as -E log (1/n) sum_j q(z1_i | z2_j), the mixture of all n
    conditionals, the pair's own among them. With that estimate the sum is a lower bound in expectation for any q and
    any n (Poole et al. 2019, section 2.2: it is InfoNCE with the critic log q), which an estimate of H alone, such as
    Kozachenko and Leonenko's from nearest neighbors, is not: it overshoots by nats where embeddings are concentrated
    in many dimensions. The price is a ceiling: no n pairs can show more than log n. The constant of q cancels.

    Where no concentration is given, each half of the pairs (even and odd rows) is measured with the one that makes
    the bound of the other half largest, so that no pair is judged by what was fitted to it, and the ceiling is log of
    half the pairs. The interval is Student's t over the pairs' influences, which count a pair both as itself and in
    the mixtures of the others.

    Args: z1, z2: (n, D) unit rows, independent pairs of views, n >= 4; concentration: kappa of q, positive.
    Raises: ValueError for other shapes or rows that are not of unit length.
    Source: I23, equation 4 and theorems 2.6 and 2.7; Poole et al. 2019, "On variational bounds of mutual information".
    """
    a, b = np.asarray(z1, float), np.asarray(z2, float)
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] < 1 or len(a) < 4:
        raise ValueError(f"z1 and z2 must both be (n, D) with n >= 4; got {a.shape} and {b.shape}")
    if not np.allclose(np.linalg.norm([a, b], axis=-1), 1, atol=1e-4):
        raise ValueError("the rows of z1 and z2 must have length 1")
    if concentration is not None:
        parts, kappas = [a @ b.T], [concentration]
    else:
        parts = [a[half::2] @ b[half::2].T for half in (0, 1)]
        kappas = [_best_concentration(cosines, a.shape[1]) for cosines in reversed(parts)]
    influences = np.concatenate([_influences(cosines, kappa) for cosines, kappa in zip(parts, kappas, strict=True)])
    value, n = float(influences.mean()), len(influences)
    half = float(student_t.ppf(0.975, n - 1) * influences.std(ddof=1) / np.sqrt(n))
    pairs = zip(parts, kappas, strict=True)
    scores = [kappa * np.diag(cosines) + log_von_mises_fisher_constant(kappa, a.shape[1]) for cosines, kappa in pairs]
    reconstruction = float(np.concatenate(scores).mean())
    geometric = float(np.exp(np.mean(np.log(kappas))))
    ceiling = float(np.mean([np.log(len(cosines)) for cosines in parts]))
    return InformationBound(
        value, value - half, value + half, reconstruction, value - reconstruction, geometric, ceiling
    )


def _influences(cosines: Array, kappa: float) -> Array:
    """(n, n) cosines of z1_i and z2_j -> (n,) what each pair adds to the bound, whose mean is the bound."""
    logits = kappa * (cosines - cosines.max(axis=1, keepdims=True))  # no overflow
    weights = np.exp(logits)
    total = weights.sum(axis=1)
    own: Array = np.diag(logits) - np.log(total) + np.log(len(cosines))
    as_other: Array = (weights / total[:, None]).sum(axis=0) - 1
    return own - as_other


def _best_concentration(cosines: Array, dims: int) -> float:
    """The concentration that makes the bound of these pairs largest, among those up to the likeliest one.

    In so few pairs each may be nearest to its own: then the bound has no maximum, and a sharper q is one mistake away
    from ruin. The likeliest concentration, of the largest E log q, is no sharper than the pairs' own cosines.
    """

    def unlikeliness(log: float) -> float:
        kappa = float(np.exp(log))
        return -kappa * float(np.diag(cosines).mean()) - log_von_mises_fisher_constant(kappa, dims)

    def loss(log: float) -> float:
        logits = np.exp(log) * (cosines - cosines.max(axis=1, keepdims=True))
        return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - np.diag(logits)))

    likeliest = minimize_scalar(unlikeliness, bounds=CONCENTRATIONS, method="bounded").x
    bounds = (CONCENTRATIONS[0], max(likeliest, CONCENTRATIONS[0] + 1))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-3}).x))


def log_sphere_area(dims: int) -> float:
    """log of the area of the unit sphere in `dims` dimensions."""
    return float(np.log(2) + dims / 2 * np.log(np.pi) - gammaln(dims / 2))


def log_von_mises_fisher_constant(concentration: float, dims: int) -> float:
    """log C_D(kappa) of the density C_D(kappa) exp(kappa mu.x) on the unit sphere in D dimensions, kappa > 0."""
    order = dims / 2 - 1
    return float(order * np.log(concentration) - dims / 2 * np.log(2 * np.pi) - log_bessel(order, concentration))


def log_bessel(order: float, x: float) -> float:
    """log of the modified Bessel function of the first kind I_order(x), x > 0, of order D / 2 - 1 for D = 1, 2, ...,
    without overflow or underflow, within 1e-6 (or 1e-15 of its value, where that is more).

    High orders by their uniform expansion (Abramowitz and Stegun 9.7.7); low ones by the power series near 0 (9.6.10),
    by Hankel's expansion far from it (9.7.1), where scipy's function gives 0 or NaN, and by that function between.
    """
    if order >= 20:
        ratio = x / order
        root = np.sqrt(1 + ratio**2)
        t = 1 / root
        correction = (3 * t - 5 * t**3) / (24 * order) + (81 * t**2 - 462 * t**4 + 385 * t**6) / (1152 * order**2)
        eta = root + np.log(ratio / (1 + root))
        return float(order * eta - 0.5 * np.log(2 * np.pi * order * root) + np.log1p(correction))
    if x < 1e-3:
        return float(order * np.log(x / 2) - gammaln(order + 1) + np.log1p(x**2 / (4 * (order + 1))))
    if x > 1e6:
        mu = 4 * order**2
        correction = -(mu - 1) / (8 * x) + (mu - 1) * (mu - 9) / (128 * x**2)
        return float(x - 0.5 * np.log(2 * np.pi * x) + np.log1p(correction))
    return float(np.log(ive(order, x)) + x)


def _scalar(value: Array) -> float | Array:
    return float(value) if np.ndim(value) == 0 else value
