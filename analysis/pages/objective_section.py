"""The report's sections on objectives and on measures made along the way: figures, what differs in words, what ranks
with the percent error."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from analysis.comparisons import objective_differences
from analysis.comparisons.gain_over_untrained import gains
from analysis.estimates.metric_correlation import beside_the_error, tracking
from analysis.figures import metric_figures, objective_figures
from analysis.pages.html_page import Picture, embed
from analysis.sweep_analysis import SweepAnalysis


class ComparedObjectives(NamedTuple):
    """Objectives on the same axes."""

    pictures: list[Picture]
    sentences: list[str]
    differences: pd.DataFrame


class Objectives(NamedTuple):
    """Each is empty for a sweep that has no such thing."""

    compared: ComparedObjectives | None
    gains: pd.DataFrame
    metric_pictures: list[Picture]
    correlations: pd.DataFrame


def objective_sections(analysis: SweepAnalysis, folder: Path) -> Objectives:
    """What differs between objectives, what training gained, which measures follow the error; drawn into `folder`."""
    results, compared = analysis.results, None
    if analysis.finished["objective"].nunique() > 1:
        found = analysis.objective_differences
        drawn = embed(objective_figures.objective_figures(results, folder))
        compared = ComparedObjectives(drawn, objective_differences.describe_differences(found), found)
    ranked = tracking(beside_the_error(results))
    pictures = [] if ranked.empty else metric_figures.metric_figures(results, folder)
    return Objectives(compared, gains(results), embed(pictures), ranked)
