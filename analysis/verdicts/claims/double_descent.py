"""The percent error peaks at P = D."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.estimates.peak_effects import peak_locations, rise_at_diagonal
from analysis.verdicts.claim import Claim, Source
from analysis.verdicts.evidence import Evidence
from analysis.verdicts.verdict import Count, Decision, Effect, Verdict, above, effect_of

HALF_STEP = 0.5  # octaves of P / D: half of the usual spacing of a grid
EXPLANATION = (
    "Above its neighbors: each diagonal cell less the mean of the next cells on both sides, along P and D. A peak "
    "counts as found where noise does not explain it. Places are distinguished along P and along D: a parabola through "
    "points an octave apart puts both a little towards the larger value, and log2(P/D) of the two has opposite signs."
)


def judge_peak(evidence: Evidence) -> Verdict:
    """Confirmed where diagonal cells are clearly above their neighbors and both mean places lie near P = D."""
    lines = evidence.peaks[_through_the_diagonal(evidence.finished, evidence.peaks)]
    found = int(lines["found"].sum())
    counts = (
        Count(int((lines["largest_at"] == 0).sum()), len(lines), "lines have their largest error at P = D"),
        Count(found, len(lines), "are clearly lower on both sides"),
    )
    rise = rise_at_diagonal(evidence.finished)
    if not rise.cells:
        return Verdict(Decision.UNDECIDED, (), counts, EXPLANATION, few=True)
    height = effect_of("error at P = D above its neighbors", rise)
    places = tuple(
        effect_of(f"log2(P/D) of the peak along {along}", place, digits=2)
        for along in ("P", "D")
        if (place := peak_locations(evidence.finished, lines[lines["along"] == along])).cells
    )
    return Verdict(_decision(height, places, found), (height, *places), counts, EXPLANATION)


def _decision(height: Effect, places: tuple[Effect, ...], found: int) -> Decision:
    if found == 0 or not np.isfinite(height.low):
        return Decision.UNDECIDED
    away = [abs(at.value) >= HALF_STEP or at.low > HALF_STEP or at.high < -HALF_STEP for at in places]
    return Decision.REFUTED if any(away) else above(height)


def _through_the_diagonal(runs: pd.DataFrame, peaks: pd.DataFrame) -> list[bool]:
    """Whether each line of the grid has a cell with P = D and two others at least: could have its peak there."""
    values = {
        along: runs.groupby(["variant", "K", "D" if along == "P" else "P"])[along].agg(set) for along in ("P", "D")
    }
    cells = [values[line.along].get((line.variant, line.K, line.at), set()) for line in peaks.itertuples()]
    return [len(each) > 2 and at in each for each, at in zip(cells, peaks["at"], strict=True)]


CLAIMS = (
    Claim(
        id="peak_at_p_equal_d",
        name="Peak at P = D",
        source=Source.PAPER,
        statement="The percent error peaks at P = D",
        judge=judge_peak,
        figures=("double_descent", "error_map"),
        script="plot_double_descent.py",
        grid="digits.yaml",
    ),
)
