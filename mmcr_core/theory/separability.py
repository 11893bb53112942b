"""Points that a hyperplane through the origin separates: Cover's share of their labelings, and a test of one labeling.

Source: Cover 1965, "Geometrical and statistical properties of systems of linear inequalities".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainc

from mmcr_core.theory.error import Array, scalar


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
    return scalar(np.where(P > N, betainc(np.maximum(P - N, 1e-300), N, 0.5), 1.0))


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
    from scipy.optimize import nnls  # slow to import

    return bool(nnls(system, goal, maxiter=100 * len(rows))[1] > 1e-9)
