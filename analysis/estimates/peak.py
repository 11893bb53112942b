"""Where the percent error peaks as P or D varies, and whether that peak is there at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.fitting.huber_regression import percentiles, require_replicates
from analysis.results.errors import ResultsError
from analysis.results.results import Results
from sweeps.storage.run_status import RunStatus

Array = NDArray[np.float64]
SIGNIFICANCE = 0.001  # of `p_value`: so often may a flat line look as peaked; a grid has dozens of lines
BATCHES_FREEDOM = 7  # degrees of freedom of a standard error by batch means
FLAT = 20_000  # simulated flat lines behind `p_value`


@dataclass(frozen=True)
class Peak:
    """A maximum of the percent error along log2(P / D).

    `largest_at`: log2(P / D) of the largest measured error; `location`: the peak by a parabola through it and
    its neighbors, with `interval`; `height`: the largest error; `prominence`: its height above the higher of
    the lowest errors on its two sides; `p_value`: how often a flat line with the same noise has a peak of such
    prominence. `found` is False, with the `reason`, where there is no peak between the ends of what was
    measured, or noise explains it; location, interval, prominence and p_value are then NaN. Where the noise is not
    known, interval and p_value are NaN, and `reason` says so.
    """

    largest_at: float
    location: float
    interval: tuple[float, float]
    height: float
    prominence: float
    p_value: float
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
        error_std: (n,) standard error of each value; where there are replicates, their pooled spread is used. With
            neither, a peak has no interval and no p_value.
        bootstrap: draws behind the interval: each mean moved by its standard error; of fewer than 40 there is none.
        seed: of the bootstrap.

    Raises: ValueError for lengths that differ, no errors, errors that are not finite, P or D that are not positive,
        standard errors below 0, or a negative bootstrap.
    """
    P, D, e = (np.atleast_1d(np.asarray(values, float)) for values in (points, dims, error))
    if any(values.shape not in (e.shape, (1,)) for values in (P, D)):
        raise ValueError("points, dims and error must be lists of one length (or one value for points or dims)")
    require_replicates(bootstrap)
    if not (e.size and np.all(np.isfinite(P) & (P > 0)) and np.all(np.isfinite(D) & (D > 0))):
        raise ValueError("points and dims must be positive and finite, and one error be given at least")
    if not np.all(np.isfinite(e)):
        raise ValueError("error must be finite; leave out runs that failed")
    spread = np.full(len(e), np.nan) if error_std is None else np.asarray(error_std, float)
    if np.any(spread < 0):
        raise ValueError("error_std must be 0 or more; NaN where it is not known")
    frame = pd.DataFrame({"position": np.log2(P / D) + 0 * e, "error": e, "spread": spread}).groupby("position")
    means = frame["error"].mean()
    position, height = means.index.to_numpy(float), means.to_numpy(float)
    noise, freedom = _standard_errors(frame)
    top = int(height.argmax())
    none = (float("nan"), float("nan"))

    def absent(reason: str) -> Peak:
        nan = float("nan")
        return Peak(float(position[top]), nan, none, float(height[top]), nan, nan, False, reason)

    if len(position) < 3:
        return absent(f"too few values of P / D: {len(position)} of at least 3")
    prominence = float(_prominence(height[None])[0])
    if np.isnan(prominence):
        return absent("maximum at the edge of the grid; a peak needs both sides")
    location, tallest = _vertex(position, height), float(height[top])
    if prominence > 0 and np.isnan(noise).any():
        unknown = "no replicates and no standard errors: noise may explain it"
        return Peak(float(position[top]), location, none, tallest, prominence, float("nan"), True, unknown)
    rng = np.random.default_rng(seed)
    higher = 0  # flat lines; without noise none is
    if noise.any():
        higher = int(np.sum(_prominence(noise * rng.standard_t(freedom, (FLAT, len(noise)))) >= prominence))
    p_value = (1 + higher) / (1 + FLAT) if prominence > 0 else 1.0
    if p_value > SIGNIFICANCE:
        return absent(f"the rise of {prominence:.4f} is within the noise (flat lines show it with p = {p_value:.2g})")
    draws = height + noise * rng.standard_t(freedom, (bootstrap, len(height)))
    low, high = percentiles(np.array([_vertex(position, draw) for draw in draws]))
    return Peak(float(position[top]), location, (float(low), float(high)), tallest, prominence, p_value, True, "")


def _prominence(heights: Array) -> Array:
    """Of the largest of each row (B, n), above the higher of the lowest on its two sides; NaN at an end."""
    rows, n = np.arange(len(heights)), heights.shape[1]
    top = heights.argmax(axis=1)
    lowest_left = np.minimum.accumulate(heights, axis=1)
    lowest_right = np.minimum.accumulate(heights[:, ::-1], axis=1)[:, ::-1]
    inside = (top > 0) & (top < n - 1)
    left, right = lowest_left[rows, np.maximum(top - 1, 0)], lowest_right[rows, np.minimum(top + 1, n - 1)]
    prominence: Array = np.where(inside, heights[rows, top] - np.maximum(left, right), np.nan)
    return prominence


def _standard_errors(frame: pd.api.typing.DataFrameGroupBy) -> tuple[Array, float]:
    """Of each mean, and their degrees of freedom: pooled over all replicates where there are any, else the given
    ones; NaN where neither is known."""
    count = frame.size().to_numpy()
    freedom = int((count - 1).sum())
    if freedom > 0:
        within = float((frame["error"].var(ddof=0).to_numpy() * count).sum()) / freedom
        pooled: Array = np.sqrt(within / count)
        return pooled, freedom
    given: Array = np.sqrt((frame["spread"].agg(lambda s: float((s**2).sum(skipna=False)))).to_numpy()) / count
    return given, BATCHES_FREEDOM


def _vertex(position: Array, height: Array) -> float:
    """Vertex of the parabola through the largest value and its neighbors; an end stays where it is."""
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
        location_low, location_high, height, prominence, p_value, found, reason. Positions are in log2(P / D).
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
                    "p_value": peak.p_value,
                    "found": peak.found,
                    "reason": peak.reason,
                }
            )
    return pd.DataFrame(rows)


def finished_runs(results: Results) -> pd.DataFrame:
    """The runs that finished. Raises ResultsError where there are none."""
    runs = results.runs()
    runs = runs[runs["status"] == RunStatus.FINISHED]
    if runs.empty:
        raise ResultsError(f"{results.root} holds no finished run; see: python analysis/query.py {results.root} "
                           '"SELECT run_id, status, error FROM runs"')  # fmt: skip
    return runs
