"""Manifold capacity: how many object manifolds a dimension a hyperplane can tell apart, however they are labeled.

M manifolds (the views of an image, the images of a class), each a set of N points in R^D, have the capacity alpha if,
seen through a random projection to n dimensions, half of the 2^M labelings of the manifolds are linearly separable at
n = M / alpha. Points have alpha = 2 (Cover 1965); the larger the manifolds, and the more dimensions they fill, the
nearer alpha comes to 0.

By the mean-field theory of [C18] manifold mu adds 1 / alpha_mu = E_t ||P_mu(t)||^2 to the dimensions that are needed,
where t is a standard Gaussian vector and P_mu the projection on the cone of the manifold's points. (In eqs. 16 and 17
it is the distance of t from the V with V.S >= 0 for all points S: t - V is that projection, up to sign.) Where t has a
projection, it is a multiple of one point of the manifold's convex hull, the anchor point of t. The anchor points'
fluctuations are the manifold's effective radius and dimension (eqs. 28 and 29).

What holds for one manifold in random directions holds for all as they lie: labels y are separable from about n =
E_t ||P_y(t)||^2 dimensions on, P_y the projection on the cone of all points times their labels (its statistical
dimension, [A14]; nothing is approximate here but the width of the transition). That is the method `joint`, the
estimator of [C25] in this light: it knows how centers and axes correlate. Of orthogonal manifolds it is the
mean-field value.

Sources: [C18] Chung, Lee and Sompolinsky 2018, "Classification and geometry of general perceptual manifolds", Phys.
Rev. X 8, 031003; [CO20] Cohen, Chung, Lee and Sompolinsky 2020, "Separability and geometry of object manifolds in deep
neural networks"; [A14] Amelunxen, Lotz, McCoy and Tropp 2014, "Living on the edge"; [C25] Chou et al. 2025, "Geometry
linked to untangling efficiency".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit
from torch import Tensor

from mmcr_core.nonnegative_least_squares import cone_weights
from mmcr_core.rng import generator

Array = NDArray[np.float64]
METHODS = ("mean_field", "joint")
LEVEL = 0.95  # of intervals
LARGEST_JOINT = 10_000  # points in all: their matrix of products takes 0.8 GB


@dataclass(frozen=True)
class Capacity:
    """Capacity, radius in units of the center's length, dimension, each with a 95% interval (low, high): Student's t
    over the manifolds (of alpha, over 1 / alpha_mu), or over the labelings for the joint alpha."""

    alpha: float
    radius: float
    dimension: float
    alpha_interval: tuple[float, float]
    radius_interval: tuple[float, float]
    dimension_interval: tuple[float, float]


def manifold_capacity(
    points: ArrayLike | Tensor,
    *,
    method: str = "mean_field",
    samples: int = 200,
    seed: int = 0,
    remove_mean: bool = True,
) -> Capacity:
    """Capacity of M manifolds of N points each.

    `mean_field`: 1 / alpha is the mean of 1 / alpha_mu: each manifold by itself, in random directions. `joint`: the
    manifolds as they lie, labels at random; it cannot fall below M / D, as t has no more than D dimensions, and where
    it is M / D they are not separable as they lie. Radius and dimension are means over manifolds, each by itself.

    The mean of all points is subtracted first, as in [CO20]: what all points share says nothing of them, and a
    hyperplane with a threshold would not see it. Centers then sum to zero: two manifolds have opposite ones, which the
    mean-field value does not know and `joint` does.

    t is drawn as rows of random orthogonal matrices, each with its opposite, of length sqrt(dimensions): as 1 / alpha
    and the dimension are means of squares that scale with ||t||, they have the same expectation as with Gaussian t, and
    less noise (points give 2 exactly).

    Args: points: (M, N, D), M >= 2, of any real type, computed in float64; method: mean_field or joint; samples: so
        many vectors t for each manifold, or for all together (joint), or a few more, that matrices be whole; seed: of
        the draws, 0 or more, which touch no other generator; remove_mean: False where the origin has a meaning.
    Raises: ValueError for other shapes, values that are not finite, or points that are all the same.
    Source: [C18], [A14]; see the module.
    """
    if seed < 0:
        raise ValueError(f"seed is {seed}; give 0 or more")
    x = _checked(points, method, samples, remove_mean)
    rng = generator(seed, "capacity")  # not numpy's default, which may have drawn the points from the same seed
    centers = np.linalg.norm(x.mean(1), axis=-1)
    within = _in_own_span(x)
    t = np.stack([_directions(samples, within.shape[2], rng) for _ in range(len(x))])
    weights = cone_weights(within, t)
    projected = weights @ within
    radii, dimensions = _geometry(within, t, weights, t - projected, centers)
    alone = (projected**2).sum(-1).mean(1)
    needed = _needed_together(x, samples, rng) / len(x) if method == "joint" else alone
    inverse, radius, dimension = (_mean_interval(values) for values in (needed, radii, dimensions))
    alpha = 1 / inverse[0], 1 / inverse[2], 1 / inverse[1] if inverse[1] > 0 else float("inf")
    return Capacity(alpha[0], radius[0], dimension[0], alpha[1:], radius[1:], dimension[1:])


def _checked(points: ArrayLike | Tensor, method: str, samples: int, remove_mean: bool) -> Array:
    """The points as float64, their mean removed where that is asked for."""
    raw = points.detach().double().cpu().numpy() if isinstance(points, Tensor) else points
    x = np.array(raw, dtype=np.float64)
    if x.ndim != 3 or x.shape[0] < 2 or 0 in x.shape:
        raise ValueError(f"points have shape {x.shape}; expected (M, N, D), two or more manifolds of N >= 1 points")
    if not np.isfinite(x).all():
        raise ValueError("points hold NaN or infinity; a capacity needs finite ones")
    if method not in METHODS:
        raise ValueError(f"method '{method}' is unknown; use one of {', '.join(METHODS)}")
    if samples < 2:
        raise ValueError(f"samples is {samples}; give 2 or more")
    if method == "joint" and x.shape[0] * x.shape[1] > LARGEST_JOINT:
        raise ValueError(f"{x.shape[0] * x.shape[1]} points are too many for 'joint'; give at most {LARGEST_JOINT}")
    x /= np.abs(x).max() or 1.0  # no square overflows; capacity, radius and dimension know no unit
    if remove_mean:
        x -= x.mean((0, 1))
    if np.abs(x).max() <= 1e-12:
        raise ValueError("all points are the same (or zero): nothing tells the manifolds apart")
    return x


def _in_own_span(x: Array) -> Array:
    """(M, N, min(N, D)): coordinates of each manifold's points in their own span; all products stay as they are."""
    upper: Array = np.linalg.qr(x.mT).R
    return upper.mT


def _directions(samples: int, dims: int, rng: np.random.Generator) -> Array:
    """(samples or a few more, dims): rows of random orthogonal matrices, whole ones where there are samples enough,
    and then their opposites, all of length sqrt(dims)."""
    half = -(-samples // 2)
    whole = -(-half // dims)
    half = max(half, whole * dims if dims <= half else 0)
    draws = rng.standard_normal((whole, dims, dims))
    q, r = np.linalg.qr(draws)
    q *= np.sign(np.einsum("bii->bi", r))[:, None, :]  # uniform over the orthogonal group (Mezzadri 2007)
    rows = np.sqrt(dims) * q.reshape(-1, dims)[:half]
    return np.concatenate([rows, -rows])


def _needed_together(x: Array, samples: int, rng: np.random.Generator) -> Array:
    """(about samples / 2,): ||P_y(t)||^2, the mean of t and -t, of manifolds with random labels y."""
    M, N, D = x.shape
    t = _directions(samples, D, rng)
    labels = np.tile(rng.choice((-1.0, 1.0), (len(t) // 2, M)), (2, 1))  # the same for t and -t
    signs = np.repeat(labels, N, axis=1)
    every = x.reshape(M * N, D)
    projected = (cone_weights(every[None], t[None], signs[None])[0] * signs) @ every
    pairs: Array = (projected**2).sum(-1).reshape(2, -1).mean(0)
    return pairs


def _geometry(x: Array, t: Array, weights: Array, rest: Array, centers: Array) -> tuple[Array, Array]:
    """Radius and dimension (M,) of each manifold from its anchor points ([C18], eqs. 28 and 29): with s the anchor less
    the mean anchor, R^2 = E ||s||^2 / ||center||^2 and D = E (t.s)^2 / ||s||^2.

    Where t has no projection, its anchor is the point that would be first to have one: the one with the largest product
    with t.

    Args: x: (M, N, D); t: (M, T, D); weights: (M, T, N) of the projections; rest: (M, T, D), t less its projection;
        centers: (M,), lengths of the centers.
    """
    total = weights.sum(-1, keepdims=True)
    first = np.take_along_axis(x, (rest @ x.mT).argmax(-1)[..., None], 1)
    anchors = np.where(total > 0, (weights @ x) / np.where(total > 0, total, 1), first)
    moved = anchors - anchors.mean(1, keepdims=True)
    squares = (moved**2).sum(-1)
    seen = squares > 1e-24 * (x**2).sum(-1).max(-1, keepdims=True)  # else rounding: manifolds that are points
    with np.errstate(divide="ignore"):  # a center at the origin has an infinite radius
        radii = np.sqrt(np.where(seen, squares, 0).mean(1)) / centers
    along = (t * moved).sum(-1) ** 2
    return radii, np.where(seen, along / np.where(seen, squares, 1), 0).mean(1)


def _mean_interval(values: Array) -> tuple[float, float, float]:
    """Mean, low, high; no lower than 0, as what is measured here isn't."""
    mean = float(values.mean())
    if len(values) < 2 or not np.isfinite(mean):
        return mean, 0.0, float("inf")
    half = float(stdtrit(len(values) - 1, (1 + LEVEL) / 2) * values.std(ddof=1) / np.sqrt(len(values)))
    return mean, max(mean - half, 0.0), mean + half
