"""The uniform baseline of N images: the uniformity that a sweep reaches follows the size of the data set."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.estimates.peak_effects import contrast
from analysis.verdicts.claim import Claim, Scope, Source
from analysis.verdicts.evidence import Evidence
from analysis.verdicts.verdict import Count, Decision, Verdict, above, effect_of

LEAST = 0.5  # of the change that the formula predicts: less is not called following


def judge_size(evidence: Evidence) -> Verdict:
    """1 - u changes with N as e_inf(P, D, N) does: the slope of the one against the other, one line per cell (1: just
    so, 0: not at all)."""
    levels = evidence.levels
    if levels.empty:
        return Verdict(Decision.NOT_TESTED, explanation="All runs have data sets of one size.")
    lines = [(cell, line) for cell, line in levels.groupby(["P", "D", "K"]) if line["images"].nunique() > 1]
    slopes = [(cell, 0, np.polyfit(line["level"], line["deficit"], 1)[0]) for cell, line in lines]
    found = contrast(pd.DataFrame(slopes, columns=["cell", "seed", "value"]))
    explanation = (
        "Slope of the uniformity deficit 1 - u against e_inf(P, D, N) over data sets of "
        f"{levels['images'].min():.0f} to {levels['images'].max():.0f} images, one line per cell (1: as the formula "
        "predicts, 0: not at all)."
    )
    if not np.isfinite(found.low):
        return Verdict(Decision.UNDECIDED, explanation=explanation)
    effect = effect_of("change of 1 - u over the predicted one", found, digits=2)
    counts = (Count(found.cells, levels.groupby(["P", "D", "K"]).ngroups, "cells have several sizes"),)
    return Verdict(above(effect, LEAST), (effect,), counts, explanation)


CLAIMS = (
    Claim(
        id="baseline_follows_data_set_size",
        name="Baseline follows data-set size",
        source=Source.OURS,
        statement="The uniform baseline follows the size of the data set",
        judge=judge_size,
        figures=("levels",),
        script="plot_double_descent.py",
        grid="digits-images.yaml",
        scope=Scope.SWEEP,
    ),
)
