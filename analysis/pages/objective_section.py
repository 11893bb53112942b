"""The report's section on objectives and on measures made along the way: figures, a summary of what differs, what ranks
with the percent error."""

from __future__ import annotations

from pathlib import Path

from analysis.comparisons import objective_differences
from analysis.comparisons.gain_over_untrained import gains
from analysis.estimates.metric_correlation import beside_the_error, tracking
from analysis.figures import metric_figures, objective_figures
from analysis.pages.html_page import images, paragraph, section, table
from analysis.sweep_analysis import SweepAnalysis

PATHS = (
    "A ring: untrained; a dot: the end. Bands and bars: 95 % over seeds. Every objective is measured on MMCR's axes; "
    "in the corner of the plane, r = u = 1, MMCR's bound is reached."
)
RANKS = (
    "Spearman's rank correlation with the held-out percent error along each run that was measured at four steps or "
    "more: mean, least and largest over runs. -1: the measure rises whenever the error falls."
)
GAINS = (
    "Accuracy of a probe at the end less that of the untrained network of the same seed, on the same test images and "
    "labels; the interval is the wider of the runs' own paired ones and Student's t over seeds."
)


def objective_sections(analysis: SweepAnalysis, folder: Path) -> list[str]:
    """Sections for a sweep of several objectives, or one that was measured along the way; none for others."""
    results, parts = analysis.results, []
    if analysis.finished["objective"].nunique() > 1:
        compared = analysis.objective_differences
        words = "".join(paragraph(sentence) for sentence in objective_differences.describe_differences(compared))
        drawn = images(objective_figures.objective_figures(results, folder))
        parts.append(section("Objectives on the same axes", paragraph(PATHS) + drawn + words + table(compared)))
    if not (gained := gains(results)).empty:
        parts.append(section("What training gained", paragraph(GAINS) + table(gained)))
    ranked = tracking(beside_the_error(results))
    if not ranked.empty:
        drawn = images(metric_figures.metric_figures(results, folder))
        parts.append(section("Measures and the percent error", drawn + paragraph(RANKS) + table(ranked)))
    return parts
