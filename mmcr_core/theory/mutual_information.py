"""A lower bound of the mutual information of two views' embeddings, by von Mises-Fisher distributions on the sphere.

Sources: [I23] Isik, Schaeffer, Lecomte et al. 2023, "An Information-Theoretic Understanding of Maximum Manifold
Capacity Representations"; Poole et al. 2019, "On variational bounds of mutual information".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln, ive, stdtrit

from mmcr_core.theory.error import Array

CONCENTRATIONS = (-12.0, 24.0)  # logs of those that are tried for a von Mises-Fisher distribution


class InformationBound(NamedTuple):
    """Lower bound of a mutual information in nats with its 95% interval; `reconstruction` + `entropy` are its two
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
    half = float(stdtrit(n - 1, 0.975) * influences.std(ddof=1) / np.sqrt(n))
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

    from scipy.optimize import minimize_scalar  # slow to import

    def unlikeliness(log: float) -> float:
        kappa = float(np.exp(log))
        return -kappa * float(np.diag(cosines).mean()) - log_von_mises_fisher_constant(kappa, dims)

    def loss(log: float) -> float:
        logits = np.exp(log) * (cosines - cosines.max(axis=1, keepdims=True))
        return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - np.diag(logits)))

    likeliest = minimize_scalar(unlikeliness, bounds=CONCENTRATIONS, method="bounded").x
    bounds = (CONCENTRATIONS[0], max(likeliest, CONCENTRATIONS[0] + 1))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-3}).x))


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
