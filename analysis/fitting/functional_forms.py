"""Shapes of power laws: log y of their parameters, with the derivatives that a fit needs.

Everything is in logs, so that no unit matters: u is log x over a center, E and the amplitudes are logs too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from analysis.fitting.huber_regression import Array, Law


def log_irreducible(level: ArrayLike, count: int) -> Array:
    """log of a known irreducible error, (count,); -inf for none."""
    with np.errstate(divide="ignore"):
        return np.broadcast_to(np.log(np.asarray(level, float)), (count,))


def offset_law(x: Array, center: float, log_E: Array | None = None) -> Law:
    """y = E + A (x + x0)^-alpha; x is (n,), increasing; theta = (log E, log amplitude at the center, alpha, t).

    x + x0 = x - min x + min x e^t, so that every t is an x0 above -min x, and 0 is none. With `log_E`, (n,), E is
    that, point by point, and theta's first entry counts for nothing.
    """
    first, beyond = x[0], x - x[0]

    def law(theta: Array) -> tuple[Array, Array]:
        shifted = first * np.exp(theta[:, 3:4])
        v = np.log(beyond + shifted) - center
        irreducible = theta[:, :1] if log_E is None else log_E[None]
        log_y = np.logaddexp(irreducible, theta[:, 1:2] - theta[:, 2:3] * v)
        share = np.exp(irreducible - log_y)  # of the irreducible error in y
        above = 1 - share
        of_irreducible = share if log_E is None else np.zeros_like(above)
        by_t = -theta[:, 2:3] * shifted / (beyond + shifted)
        return log_y, np.stack([of_irreducible, above, -v * above, by_t * above], axis=-1)

    return law


def product_law(u: Array, log_E: Array | None = None, v: Array | None = None) -> Law:
    """y = E + exp(a - sum_i alpha_i u_i), theta = (log E, a, alpha_1 ...); u is (n, k).

    With `v`, (n, m), the first x has an offset, e^b prod_j z_j^(s_j): u_1 becomes log(e^u_1 + e^(b + sum_j s_j v_j)),
    and theta goes on with (b, s_1 ...). `log_E` as in `offset_law`.
    """
    count = u.shape[1]

    def law(theta: Array) -> tuple[Array, Array]:
        alpha = theta[:, 2 : 2 + count]
        logs = np.broadcast_to(u[None], (len(theta), *u.shape))
        derivatives = np.empty((len(theta), len(u), theta.shape[1]))
        if v is not None:
            offset = theta[:, 2 + count :][:, :1] + theta[:, 3 + count :] @ v.T
            first = np.logaddexp(u[None, :, 0], offset)
            share = -alpha[:, :1] * np.exp(offset - first)
            logs = np.concatenate([first[..., None], logs[..., 1:]], axis=-1)
            derivatives[..., 2 + count] = share
            np.multiply(share[..., None], v[None], out=derivatives[..., 3 + count :])
        irreducible = theta[:, :1] if log_E is None else log_E[None]
        log_y = np.logaddexp(irreducible, theta[:, 1:2] - np.einsum("bnk,bk->bn", logs, alpha))
        of_irreducible = np.exp(irreducible - log_y)
        derivatives[..., 0] = of_irreducible if log_E is None else 0.0
        derivatives[..., 1] = 1.0
        np.negative(logs, out=derivatives[..., 2 : 2 + count])
        derivatives[..., 1:] *= (1 - of_irreducible)[..., None]
        return log_y, derivatives

    return law


def sum_law(u: Array, log_E: Array | None = None) -> Law:
    """y = E + sum_i exp(a_i - alpha_i u_i), theta = (log E, a_1 ..., alpha_1 ...); otherwise as product_law."""

    def law(theta: Array) -> tuple[Array, Array]:
        count = u.shape[1]
        irreducible = theta[:, :1] if log_E is None else log_E[None]
        terms = theta[:, None, 1 : 1 + count] - theta[:, None, 1 + count :] * u[None]
        irreducible_errors = np.broadcast_to(irreducible, terms.shape[:2])
        log_y = logsumexp(np.concatenate([irreducible_errors[..., None], terms], axis=-1), axis=-1)
        shares = np.exp(terms - log_y[..., None])
        first = np.exp(irreducible_errors - log_y) if log_E is None else np.zeros_like(log_y)
        return log_y, np.concatenate([first[..., None], shares, -u[None] * shares], axis=-1)

    return law
