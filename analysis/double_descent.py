"""Where the percent error peaks as P or D varies, and whether that peak is there at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
LEVEL = 0.95
CLEAR = 2.0  # a peak stands out where its prominence exceeds so many standard errors


@dataclass(frozen=True)
class Peak:
    """A maximum of the percent error along log2(P / D).

    `largest_at`: log2(P / D) of the largest measured error; `location`: the peak by a parabola through it and
    its neighbours, with `interval`; `height`: the largest error; `prominence`: its height above the higher of
    the lowest errors on its two sides. `found` is False, with the `reason`, where there is no peak between
    the ends of what was measured; location, interval and prominence are then NaN.
    """

    largest_at: float
    location: float
    interval: tuple[float, float]
    height: float
    prominence: float
    found: bool
    reason: str


def find_peak(
    points: ArrayLike,
    dims: ArrayLike,
    error: ArrayLike,
    *,
    error_std: ArrayLike | None = None,
    bootstrap: int = 400,
    seed: int = 0,
) -> Peak:
    """The peak of the percent error over log2(P / D), along a row or a column of the grid.

    Args:
        points, dims, error: (n,) P, D and percent error of each run (one value for a P or D that all share);
            runs of one P / D are replicates.
        error_std: (n,) standard error of each value; without it, the spread of replicates is used.
        bootstrap: draws behind the interval: each mean moved by its standard error.
        seed: of the bootstrap.

    Raises: ValueError for lengths that differ or errors that are not finite.
    """
    P, D, e = (np.atleast_1d(np.asarray(values, float)) for values in (points, dims, error))
    if any(values.shape not in (e.shape, (1,)) for values in (P, D)):
        raise ValueError("points, dims and error must be lists of one length (or one value for points or dims)")
    if not np.all(np.isfinite(e)):
        raise ValueError("error must be finite; leave out runs that failed")
    spread = np.full(len(e), np.nan) if error_std is None else np.asarray(error_std, float)
    frame = pd.DataFrame({"position": np.log2(P / D) + 0 * e, "error": e, "spread": spread}).groupby("position")
    means = frame["error"].mean()
    position, height = means.index.to_numpy(float), means.to_numpy(float)
    noise = _standard_errors(frame)
    top = int(height.argmax())
    none = (float("nan"), float("nan"))

    def absent(reason: str) -> Peak:
        return Peak(float(position[top]), float("nan"), none, float(height[top]), float("nan"), False, reason)

    if len(position) < 3:
        return absent(f"{len(position)} values of P / D were measured; at least 3 are needed")
    if top in (0, len(position) - 1):
        return absent("largest at an end of the range; a peak needs both sides")
    low_left, low_right = int(height[:top].argmin()), top + 1 + int(height[top + 1 :].argmin())
    higher = low_left if height[low_left] >= height[low_right] else low_right
    prominence = float(height[top] - height[higher])
    doubt = float(np.hypot(noise[top], noise[higher]))
    if prominence <= CLEAR * doubt:
        return absent(f"the rise of {prominence:.4f} is within the noise of {doubt:.4f}")
    draws = height + noise * np.random.default_rng(seed).standard_normal((bootstrap, len(height)))
    locations = [_vertex(position, draw) for draw in draws]
    low, high = np.quantile(locations, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    location = _vertex(position, height)
    return Peak(float(position[top]), location, (float(low), float(high)), float(height[top]), prominence, True, "")


def _standard_errors(frame: pd.api.typing.DataFrameGroupBy) -> Array:
    """Of each mean: from replicates where all have some, else from the given spreads; 0 where neither is known."""
    count = frame.size().to_numpy()
    if np.all(count > 1):
        replicates: Array = frame["error"].std().to_numpy() / np.sqrt(count)
        return replicates
    given: Array = np.sqrt((frame["spread"].agg(lambda s: float((s**2).sum()))).to_numpy()) / count
    return np.nan_to_num(given)


def _vertex(position: Array, height: Array) -> float:
    """Vertex of the parabola through the largest value and its neighbours; an end stays where it is."""
    top = int(height.argmax())
    if top in (0, len(height) - 1):
        return float(position[top])
    a, b, _ = np.polyfit(position[top - 1 : top + 2] - position[top], height[top - 1 : top + 2], 2)
    return float(position[top] - b / (2 * a))


def peak_table(runs: pd.DataFrame, spread: pd.Series | None = None) -> pd.DataFrame:
    """A Peak for each column (over P, at each D) and each row (over D, at each P) of each variant and K.

    Args: runs: finished runs as `Results.runs()` gives them; spread: standard error of each run's
        percent_error, indexed by run_id.
    Returns: variant, K, along (`P` or `D`), at (the value of the other), runs, largest_at, location,
        location_low, location_high, height, prominence, found, reason. Positions are in log2(P / D).
    """
    rows = []
    for along, other in (("P", "D"), ("D", "P")):
        for (variant, K, at), group in runs.groupby(["variant", "K", other]):
            stds = spread.reindex(group["run_id"]).to_numpy() if spread is not None else None
            peak = find_peak(group["P"], group["D"], group["percent_error"], error_std=stds)
            rows.append(
                {
                    "variant": variant,
                    "K": K,
                    "along": along,
                    "at": at,
                    "runs": len(group),
                    "largest_at": peak.largest_at,
                    "location": peak.location,
                    "location_low": peak.interval[0],
                    "location_high": peak.interval[1],
                    "height": peak.height,
                    "prominence": peak.prominence,
                    "found": peak.found,
                    "reason": peak.reason,
                }
            )
    return pd.DataFrame(rows)
