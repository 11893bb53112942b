"""One law of steps, P, D and K for the whole grid: how well it predicts, and what is left of the peak above e_inf."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.estimates.exponent_summary import describe_exponents
from analysis.verdicts.claim import Claim, Scope, Source
from analysis.verdicts.evidence import Evidence
from analysis.verdicts.verdict import Count, Decision, Effect, Verdict

SMALL = 0.1  # aspect exponent: 7% for each octave from the diagonal
CLOSE, FAR = 0.1, 0.3  # relative errors within, and beyond, which a law predicts held-out cells, or does not
MOST, HALF = 0.75, 0.5  # of the held-out runs inside their forecasts: enough, and too few


def judge_prediction(evidence: Evidence) -> Verdict:
    """Whether the selected joint law, fitted to the cheaper cells, predicts the most expensive ones."""
    laws = evidence.joint_laws
    if not laws or laws[0].tested == 0:
        return Verdict(Decision.UNDECIDED, explanation="Too few cells to fit a law and to test it.")
    best = laws[0]
    baseline = {"none": "no irreducible error", "free": "a fitted irreducible error", "theory": "e_inf(P, D) below it"}
    offset = " and an offset of the steps" if best.form.offset == "free" else ""
    error = Effect("r.m.s. error", 100 * best.error, unit="%", digits=1, signed=False)
    what = "most expensive runs lie inside their 95% forecasts"
    inside = Count(round(best.coverage * best.tested), best.tested, what, _in_common(best.test))
    decision = Decision.UNDECIDED
    if best.error <= CLOSE and best.coverage >= MOST:
        decision = Decision.CONFIRMED
    elif best.error > FAR or best.coverage < HALF:
        decision = Decision.REFUTED
    form = f"{baseline[best.form.irreducible]}{offset}"
    explanation = f"Fitted to the cheaper cells with {form} (best by BIC). {' '.join(describe_exponents(best))}"
    return Verdict(decision, (error,), (inside,), explanation)


def judge_aspect(evidence: Evidence) -> Verdict:
    """Whether the exponent of max(P, D) / min(P, D) in the joint law above e_inf is 0, or nearly."""
    laws = evidence.joint_laws
    kinds = [law for law in laws if law.form.irreducible == "theory" and law.form.aspect and "aspect" in law.fit.alpha]
    if not kinds:
        return Verdict(Decision.UNDECIDED, explanation="Too few cells to fit a law with an aspect.")
    fit = kinds[0].fit
    effect = Effect("aspect exponent", fit.alpha["aspect"], *fit.interval("alpha", "aspect"), "resampled cells")
    effects: tuple[Effect, ...] = (effect,)
    times = 2.0 ** -np.array([effect.value, effect.high, effect.low])
    bare = [law for law in laws if law.form.irreducible == "none" and law.form.aspect]
    if bare and "aspect" in bare[0].fit.alpha:
        without = bare[0].fit
        effects += (
            Effect("without e_inf", without.alpha["aspect"], *without.interval("alpha", "aspect"), "resampled cells"),
        )
    decision = Decision.UNDECIDED
    if effect.low <= 0 <= effect.high and effect.high < SMALL:
        decision = Decision.CONFIRMED
    elif effect.low > SMALL or effect.high < 0:
        decision = Decision.REFUTED
    explanation = (
        f"The error above e_inf changes {times[0]:.2f} times ({times[1]:.2f} to {times[2]:.2f}) for each octave from "
        "the diagonal: a positive exponent is a peak there, a negative one a dip."
    )
    return Verdict(decision, effects, explanation=explanation)


def _in_common(test: pd.DataFrame | None) -> str:
    """What all cells that were held out have in common: a test by cells of K = 8 alone asks for more than one within
    the range of the fit."""
    if test is None:
        return ""
    held = test[test["held_out"]]
    common = [f"{name} = {held[name].iloc[0]}" for name in "PDK" if held[name].nunique() == 1 < test[name].nunique()]
    return f"(all of {' and '.join(common)})" if common else ""


CLAIMS = (
    Claim(
        id="no_peak_above_baseline",
        name="No peak above e_inf",
        source=Source.OURS,
        statement="Above e_inf nothing is left of the peak at P = D",
        judge=judge_aspect,
        figures=("collapse", "forecast"),
        script="plot_grid_law.py",
        grid="digits.yaml",
        scope=Scope.VARIANT,
    ),
    Claim(
        id="joint_law_predicts",
        name="One joint law",
        source=Source.OURS,
        statement="One law of steps, P, D and K describes all cells, and predicts held-out ones",
        judge=judge_prediction,
        figures=("collapse", "forecast", "isoflop"),
        script="plot_grid_law.py",
        grid="digits.yaml",
        scope=Scope.VARIANT,
    ),
)
