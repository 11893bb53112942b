"""Replays of a sweep drawn: how wrong predictions are against the share of the grid's compute that was spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.figures.palette import OTHERS
from analysis.figures.style import legend, line_mark, panels, plain_ticks
from analysis.fitting.forecast.stopping import Target
from analysis.results.display_names import measure_name
from mmcr_core.theory import PERCENT_ERROR

POINTS = 60  # of a line
POLICIES = {"adaptive": "adaptive", "random": "whole runs at random", "cheapest": "cheapest runs first",
            "v-optimal": "by the law alone"}  # fmt: skip
COLORS = dict(zip(POLICIES, OTHERS, strict=False))
DASHED = "v-optimal"  # its curve is that of adaptive for long


def draw(ways: Mapping[str, Sequence[pd.DataFrame]], target: Target, quantity: str, runs: int) -> Figure:
    """A line for each policy: the median over starts of the r.m.s. error of the settings that are predicted, with its
    quartiles; a filled dot where it stopped (median), and the target as a dashed line."""
    figure, axes = panels(1, 1, 2.6, 4.5)
    ax = axes[0, 0]
    relative = quantity == PERCENT_ERROR
    unit = 100.0 if relative else 1.0
    shares = np.geomspace(min(way["share"].iloc[0] for each in ways.values() for way in each), 1, POINTS)
    for policy, each in ways.items():
        color, dash = COLORS[policy], _dash(policy)
        errors = np.array(
            [np.interp(shares, way["share"], way["rms_error"], left=np.nan, right=np.nan) for way in each]
        )
        known = np.isfinite(errors).mean(axis=0) >= 0.5
        low, middle, high = (np.nanquantile(errors[:, known], q, axis=0) * unit for q in (0.25, 0.5, 0.75))
        ax.plot(100 * shares[known], middle, color=color, ls=dash)
        ax.fill_between(100 * shares[known], low, high, color=color, alpha=0.15, lw=0)
        ends = pd.DataFrame([way.iloc[-1] for way in each])[["share", "rms_error"]].median()
        ax.plot(100 * ends["share"], max(ends["rms_error"] * unit, 1e-3), "o", ms=4, color=color)
    ax.axhline(unit * target.within, color="black", lw=0.6, ls="--")
    what = "relative error of predicted cells (%)" if relative else f"error of predicted {measure_name(quantity)}"
    ax.set(xscale="log", yscale="log", xlabel=f"share of the FLOPs of all {runs} runs (%)",
           ylabel=f"r.m.s. {what}")  # fmt: skip
    for axis, limits in (("x", ax.get_xlim()), ("y", ax.get_ylim())):
        plain_ticks([ax], axis, *limits)
    legend(figure, [
        *(line_mark(COLORS[policy], POLICIES[policy], ls=_dash(policy)) for policy in ways),
        Patch(color="0.85", label="quartiles over starts"),
        line_mark("0.3", "where it stops (median)", marker="o", ls="none"),
        line_mark("black", "target", lw=0.6, ls="--"),
    ])  # fmt: skip
    return figure


def _dash(policy: str) -> str:
    return "-." if policy == DASHED else "-"
