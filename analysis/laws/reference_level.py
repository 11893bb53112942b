"""The percent error of uniform embeddings in a cell, as far as its network can have them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmcr_core.theory import expected_percent_error


def reference_level(P: ArrayLike, D: ArrayLike, rank: ArrayLike | None = None) -> NDArray[np.float64]:
    """e_inf(P, D), of M whose rank is bounded by `rank` (NaN or None: not known, taken as no bound)."""
    bound = np.asarray(np.inf if rank is None else rank, float)
    level = expected_percent_error(P, D, rank=np.where(np.isnan(bound), np.inf, bound))
    return np.asarray(level, float)
