"""Exponents at P = D against those elsewhere: of pure power laws, and of laws above the uniform baseline e_inf."""

from __future__ import annotations

import numpy as np

from analysis.estimates.peak_effects import Contrast, contrast_robustness, of_form, slope_at_diagonal
from analysis.estimates.per_cell_fit import PURE, form_name
from analysis.verdicts.claim import Claim, Source
from analysis.verdicts.evidence import Evidence, above_baseline
from analysis.verdicts.verdict import Count, Decision, Effect, Verdict, below, effect_of, within

MARGIN = 0.2  # of the exponent off the diagonal: exponents that differ by less are the same for any use made of them
LEAST_VALID = 0.5  # of the cells, whose laws above the baseline must pass every check for these to be compared
DIFFERENCE = "difference of exponents"
OF_WHAT = "The exponent at P = D less the mean of its row and column."
FEW = "Too few cells on or off the diagonal."


def judge_pure(evidence: Evidence) -> Verdict:
    """Whether pure exponents are smaller at P = D."""
    found = slope_at_diagonal(evidence.fits_by_seed, PURE)
    if not np.isfinite(found.low):
        return Verdict(Decision.UNDECIDED, explanation=FEW)
    effect = effect_of(DIFFERENCE, found)
    return Verdict(below(effect), (effect,), explanation=f"{OF_WHAT} Laws {form_name(*PURE)}. {_intervals(found)}")


def judge_above_baseline(evidence: Evidence) -> Verdict:
    """The same of exponents of the error above e_inf, where half of the cells have a valid law of that form."""
    form = above_baseline(evidence)
    found, valid = slope_at_diagonal(evidence.fits_by_seed, form), _valid(evidence)
    if not np.isfinite(found.low):
        return Verdict(Decision.UNDECIDED, explanation=FEW)
    effect = effect_of(DIFFERENCE, found)
    change = contrast_robustness(evidence.fits_by_seed, form)
    explanation = (
        f"{OF_WHAT} Laws {form_name(*form)}. {_intervals(found)} In units of the mean exponent off the diagonal, "
        f"subtracting e_inf changes the difference by {change}."
    )
    decision = below(effect) if _enough(valid) else Decision.UNDECIDED
    return Verdict(decision, (effect,), (valid,), explanation)


def judge_same(evidence: Evidence) -> Verdict:
    """Whether exponents of the error above e_inf are the same on and off the diagonal, within MARGIN of those off it,
    where half of the cells have a valid law of that form."""
    form = above_baseline(evidence)
    found, valid = slope_at_diagonal(evidence.fits_by_seed, form, relative=True), _valid(evidence)
    if not np.isfinite(found.low):
        return Verdict(Decision.UNDECIDED, explanation=FEW)
    effects: tuple[Effect, ...] = (effect_of(f"relative {DIFFERENCE}", found),)
    if found.over == "seeds" and np.isfinite(found.cells_low):
        effects += (Effect("the same over cells", found.mean, found.cells_low, found.cells_high, "cells"),)
    explanation = (
        f"{OF_WHAT} Laws {form_name(*form)}, relative to the mean exponent off the diagonal. The same if all intervals "
        f"lie within {MARGIN:g} of 0, different if the first lies outside; the interval over cells is for other grids "
        "like this one."
    )
    decision = within(MARGIN, *effects) if _enough(valid) else Decision.UNDECIDED
    return Verdict(decision, effects, (valid,), explanation)


def _valid(evidence: Evidence) -> Count:
    passed = of_form(evidence.fits, above_baseline(evidence))["trusted"].astype(bool)
    return Count(int(passed.sum()), len(passed), "laws are valid")


def _enough(valid: Count) -> bool:
    return valid.number >= LEAST_VALID * valid.total


def _intervals(found: Contrast) -> str:
    if found.over != "seeds" or not np.isfinite(found.cells_low):
        return ""
    return f"Over cells, for other grids like this one: {found.cells_low:+.3f} to {found.cells_high:+.3f}."


CLAIMS = (
    Claim(
        id="shallower_pure_slopes",
        name="Shallower power laws at P = D",
        source=Source.PAPER,
        statement="Slopes of pure power laws are shallower at P = D",
        judge=judge_pure,
        figures=("exponents",),
        script="plot_scaling.py",
        grid="digits.yaml",
    ),
    Claim(
        id="shallower_slopes_above_baseline",
        name="Shallower above e_inf at P = D",
        source=Source.OURS,
        statement="Slopes of the error above e_inf are shallower at P = D",
        judge=judge_above_baseline,
        figures=("exponents",),
        script="plot_scaling.py",
        effect_first=True,
        grid="digits.yaml",
    ),
    Claim(
        id="same_exponent_above_baseline",
        name="Same exponent above e_inf",
        source=Source.OURS,
        statement=f"Above e_inf the exponent is the same at P = D and elsewhere, within {100 * MARGIN:.0f}%",
        judge=judge_same,
        figures=("exponents",),
        script="plot_scaling.py",
        effect_first=True,
        grid="digits.yaml",
    ),
)
