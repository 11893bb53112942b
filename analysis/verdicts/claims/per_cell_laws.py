"""Power laws of each cell: the paper's pure one, and one of few parameters and one form for all cells."""

from __future__ import annotations

import pandas as pd

from analysis.estimates.peak_effects import of_form
from analysis.estimates.per_cell_fit import PURE, chosen_form, form_name
from analysis.fitting.diagnostics import FailedCheck, check_sets, speaks_against
from analysis.verdicts.claim import Claim, Source
from analysis.verdicts.evidence import Evidence
from analysis.verdicts.verdict import QUARTILES, Count, Decision, Effect, Verdict

MOST = 0.9  # of the cells, in which a law must pass every check that is said to describe them
FEW = 4  # cells, below which "every cell" is set beside no other sweep


def judge_pure(evidence: Evidence) -> Verdict:
    """Confirmed where the pure law passes every check in every cell, refuted where failed checks speak against it in
    more than half of them."""
    laws = of_form(evidence.fits, PURE)
    explanation = _most_common(laws)
    if laws["scale"].notna().any():
        explanation = f"Points scatter about the laws by {100 * laws['scale'].median():.1f}% (median). {explanation}"
    return _verdict(laws, 1.0, f"cells have a valid law {form_name(*PURE)}", "", explanation)


def judge_one_form(evidence: Evidence) -> Verdict:
    """Confirmed where the selected model passes every check in most cells, refuted as above."""
    fits = evidence.fits
    laws, form = fits[fits["chosen"]], chosen_form(fits)
    if laws.empty:
        return Verdict(Decision.UNDECIDED, explanation="Too few points.")
    alone = of_form(evidence.fits_by_seed, form)["chi_square"]
    explanation = (
        f"Of the laws of few parameters {form_name(*form)} has the least AICc over all cells. On held-out points the "
        f"pure law is off by {100 * of_form(fits, PURE)['extrapolation_error'].median():.1f}% (median)."
    )
    if alone.notna().any():
        explanation += f" Reduced chi-square run by run: {alone.median():.2f} (median)"
        several = f", {laws['chi_square'].median():.2f} with all seeds of a cell on one law"
        explanation += f"{several if (laws['seeds'] > 1).any() else ''}."
    return _verdict(laws, MOST, "cells have a valid law", form_name(*form), f"{explanation} {_most_common(laws)}")


def _verdict(laws: pd.DataFrame, most: float, valid: str, law: str, explanation: str) -> Verdict:
    passed = int(laws["trusted"].sum())
    against = int(check_sets(laws).map(speaks_against).sum())
    decision = Decision.UNDECIDED
    if len(laws) and passed >= most * len(laws):
        decision = Decision.CONFIRMED
    elif against > len(laws) / 2:
        decision = Decision.REFUTED
    counts = (
        Count(passed, len(laws), valid, law),
        Count(against, len(laws), "have failed checks that speak against it"),
    )
    low, median, high = 100 * laws["extrapolation_error"].astype(float).quantile([0.25, 0.5, 0.75])
    held_out = Effect(
        "held-out last points predicted within", median, low, high, QUARTILES, "%", digits=1, signed=False
    )
    return Verdict(decision, (held_out,), counts, explanation.strip(), few=len(laws) < FEW)


def _most_common(laws: pd.DataFrame) -> str:
    """The checks that fail in most cells, for people."""
    failed = check_sets(laws).explode().dropna()
    counts = [(check, int((failed == check).sum())) for check in FailedCheck]
    common = [
        f"{check.replace('_', ' ')} ({count})" for check, count in sorted(counts, key=lambda each: -each[1]) if count
    ]
    return f"Failed checks: {', '.join(common)}." if common else ""


CLAIMS = (
    Claim(
        id="pure_power_law",
        name="Pure power law in every cell",
        source=Source.PAPER,
        statement="The percent error falls as a pure power law in compute, in every cell",
        judge=judge_pure,
        figures=("scaling",),
        script="plot_scaling.py",
        grid="digits.yaml",
    ),
    Claim(
        id="one_form",
        name="One form of law in every cell",
        source=Source.OURS,
        statement="A law of one form describes every cell",
        judge=judge_one_form,
        figures=("scaling", "exponents"),
        script="plot_scaling.py",
        grid="digits.yaml",
    ),
)
