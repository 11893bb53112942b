"""Replays of a sweep drawn: how wrong predictions are against the share of the grid's compute that was spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from analysis.figures.style import COLORS
from analysis.fitting.forecast.stopping import Target
from mmcr_core.theory import PERCENT_ERROR

POINTS = 60  # of a line


def draw(ways: Mapping[str, Sequence[pd.DataFrame]], target: Target, quantity: str, runs: int) -> Figure:
    """A line for each policy: the median over starts of the r.m.s. error of the settings that are predicted, with its
    quartiles; a filled dot where it stopped (median), and the target as a dashed line."""
    figure, ax = plt.subplots(figsize=(4.2, 3.0), layout="constrained")
    relative = quantity == PERCENT_ERROR
    unit = 100.0 if relative else 1.0
    shares = np.geomspace(min(way["share"].iloc[0] for each in ways.values() for way in each), 1, POINTS)
    for color, (policy, each) in zip(COLORS, ways.items(), strict=False):
        errors = np.array(
            [np.interp(shares, way["share"], way["rms_error"], left=np.nan, right=np.nan) for way in each]
        )
        known = np.isfinite(errors).mean(axis=0) >= 0.5
        low, middle, high = (np.nanquantile(errors[:, known], q, axis=0) * unit for q in (0.25, 0.5, 0.75))
        ax.plot(shares[known], middle, color=color, label=policy)
        ax.fill_between(shares[known], low, high, color=color, alpha=0.15, lw=0)
        ends = pd.DataFrame([way.iloc[-1] for way in each])[["share", "rms_error"]].median()
        ax.plot(ends["share"], max(ends["rms_error"] * unit, 1e-3), "o", ms=4, color=color)
    ax.axhline(unit * target.within, color="black", lw=0.6, ls="--")
    what = "relative error (%)" if relative else f"error of {quantity}"
    ax.set(xscale="log", yscale="log", xlabel=f"share of the compute of all {runs} runs",
           ylabel=f"r.m.s. {what} of what is predicted")  # fmt: skip
    ax.legend(title="dots: where it stops", title_fontsize=6)
    return figure
