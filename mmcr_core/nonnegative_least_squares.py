"""Non-negative least squares, many problems at once: the quadratic programs of manifold capacity.

The w >= 0 that makes ||t - sum_i w_i a_i|| least gives the projection of t on the cone of a_1 ... a_N. Solved by the
active-set method of Lawson and Hanson 1974 (chapter 23), all problems side by side: each round solves one small linear
system per problem, of the generators that are in use alone, so that generators may be many, dependent or equal. It
ends at the optimum, to rounding; nothing is iterated to convergence. (The systems are products of generators: where
those in use have the condition number c, the projection is good to about 1e-15 c^2.)
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Index = NDArray[np.intp]

TOLERANCE = 1e-9  # of ||t||: at the end no generator of length 1 has a larger product with t less its projection
ROUNDS = 20  # for each generator that can be in use; random problems need 1 to 2


def cone_weights(generators: Array, targets: Array, signs: Array | None = None) -> Array:
    """Weights w of the projections of targets on cones.

    Args: generators: (M, N, D), M cones of N generators each; targets: (M, T, D), T vectors for each
        cone; signs: (M, T, N) of +-1, by which each problem multiplies its cone's generators (None: 1).
    Returns: (M, T, N), >= 0: the projection of targets[m, t] is sum_i (w signs)[m, t, i] generators[m, i].
    Raises: ArithmeticError where rounding keeps a problem from its end (no such case is known).
    Source: Lawson and Hanson 1974, "Solving Least Squares Problems", chapter 23.
    """
    M, N, D = generators.shape
    T = targets.shape[1]
    lengths = np.linalg.norm(generators, axis=-1)
    lengths[lengths == 0] = 1  # a zero generator is never of use
    unit = generators / lengths[..., None]
    sign = np.ones((M * T, N)) if signs is None else signs.reshape(M * T, N)
    score = (targets @ unit.mT).reshape(M * T, N) * sign
    gram, cone = unit @ unit.mT, np.repeat(np.arange(M), T)
    enough = TOLERANCE * np.linalg.norm(targets, axis=-1).ravel()

    weights = np.zeros((M * T, N))
    used, barred = np.zeros((M * T, N), bool), np.zeros((M * T, N), bool)
    newest = np.zeros(M * T, np.intp)
    live = np.arange(M * T)
    for _ in range(ROUNDS * (min(N, D) + 1)):
        best = _least_squares(gram, cone[live], score[live], sign[live], used[live])
        wrong = used[live] & (best <= 0)
        feasible = ~wrong.any(1)

        # Towards `best` until the first weight is 0; that generator is no longer in use.
        back, to, wrong = live[~feasible], best[~feasible], wrong[~feasible]
        at = weights[back]
        step = np.where(wrong, at / np.where(wrong, at - to, 1), 1).min(1, keepdims=True)
        moved = at + step * (to - at)
        out = wrong & (moved <= 1e-14 * moved.max(1, keepdims=True))
        weights[back] = np.where(out, 0, moved)
        used[back] &= ~out
        # One that comes in gains something, unless by rounding alone: then it would come in and leave for ever.
        barred[back, newest[back]] |= out[np.arange(len(back)), newest[back]] & (step[:, 0] == 0)

        front = live[feasible]
        weights[front] = best[feasible]
        gain = _gain(unit, gram, cone[front], score[front], sign[front], weights[front])
        gain[used[front] | barred[front]] = -np.inf
        newest[front] = gain.argmax(1)
        more = front[gain.max(1) > enough[front]]
        used[more, newest[more]] = True
        live = np.sort(np.concatenate([back, more]))
        if not len(live):
            scaled: Array = weights.reshape(M, T, N) / lengths[:, None]
            return scaled
    raise ArithmeticError(f"{len(live)} of {M * T} projections on cones have not ended")


def _least_squares(gram: Array, cone: Index, score: Array, sign: Array, used: Mask) -> Array:
    """(B, N): of each problem the best weights of any sign of the generators in use, 0 elsewhere."""
    width = int(used.sum(1).max())
    chosen = np.argsort(~used, axis=1, kind="stable")[:, :width]
    real = np.take_along_axis(used, chosen, 1)
    flip = np.take_along_axis(sign, chosen, 1) * real
    rows = (cone[:, None] * len(gram[0]) + chosen) * len(gram[0])
    system = gram.reshape(-1).take(rows[:, :, None] + chosen[:, None, :])  # faster than indexing gram by three arrays
    system *= flip[:, :, None]
    system *= flip[:, None, :]
    system[:, np.arange(width), np.arange(width)] += np.where(real, 1e-15, 1.0)  # never exactly singular
    right = np.where(real, np.take_along_axis(score, chosen, 1), 0.0)
    best = np.zeros(score.shape)
    np.put_along_axis(best, chosen, np.linalg.solve(system, right[..., None])[..., 0], 1)
    return best


def _gain(unit: Array, gram: Array, cone: Index, score: Array, sign: Array, weights: Array) -> Array:
    """(B, N): product of each generator with what is left of its problem's target. `cone` ascends."""
    gain, signed = score.copy(), weights * sign
    start = np.searchsorted(cone, np.arange(len(gram) + 1))
    for m, (low, high) in enumerate(itertools.pairwise(start)):
        part = signed[low:high]
        made = part @ gram[m] if unit.shape[1] < 2 * unit.shape[2] else (part @ unit[m]) @ unit[m].T
        gain[low:high] -= made * sign[low:high]
    return gain
