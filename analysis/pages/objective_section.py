"""The report's sections on objectives and on measures made along the way: figures, a summary of what differs, what
ranks with the percent error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from analysis.comparisons import objective_differences
from analysis.comparisons.gain_over_untrained import gains
from analysis.estimates.metric_correlation import beside_the_error, tracking
from analysis.figures import metric_figures, objective_figures
from analysis.pages.html_page import embed
from analysis.sweep_analysis import SweepAnalysis


def objective_sections(analysis: SweepAnalysis, folder: Path) -> dict[str, Any]:
    """What differs between objectives (nothing where there is one), what training gained, which measures follow the
    error; drawn into `folder`."""
    several, ranked = analysis.finished["objective"].nunique() > 1, tracking(beside_the_error(analysis.results))
    drawn = objective_figures.objective_figures(analysis.results, folder) if several else []
    tracked = [] if ranked.empty else metric_figures.metric_figures(analysis.results, folder)
    compared = analysis.objective_differences if several else pd.DataFrame()
    return {
        "pictures": embed(drawn),
        "sentences": objective_differences.describe_differences(compared) if several else [],
        "differences": compared,
        "gains": gains(analysis.results),
        "metric_pictures": embed(tracked),
        "correlations": ranked,
    }
