"""What the exponents of the law of a grid mean: what twice the steps, batch, dimensions or views buy, or cost."""

from __future__ import annotations

import numpy as np

from analysis.estimates.joint_scaling_law import JointLaw
from analysis.fitting.huber_regression import percentiles

NAMES = {"P": "the batch (P)", "D": "the dimensions (D)", "K": "the views (K)"}
NOISE = 2.0  # reduced chi-square beyond which residuals are clearly more than noise


def describe_exponents(law: JointLaw) -> list[str]:
    """A sentence for the steps, and one for each of P, D, K that varies: late in training, where steps are many
    beside their offset, and of the error above the irreducible one."""
    fit = law.fit
    above = {"none": "percent error", "free": "error above the irreducible one", "theory": "error above e_inf"}[
        law.form.irreducible
    ]
    alpha, alphas = fit.alpha["steps"], fit.draws("alpha", "steps")
    sentences = [f"Twice the steps leave {_times(2**-alpha, 2**-alphas)} of the {above}."]
    falls = fit.interval("alpha", "steps")[0] > 0
    if not falls:
        sentences.append("It does not clearly fall with steps, which then make good nothing that P, D or K cost.")
    for column, name in NAMES.items():
        if column not in fit.alpha:
            continue
        exponent, draws = fit.alpha[column], fit.draws("alpha", column)
        sentence = f"Twice {name}, at the same steps, make {_times(2**-exponent, 2**-draws)} of it"
        if falls:
            steps = _times(2 ** (-exponent / alpha), 2 ** (-draws / np.where(alphas > 0, alphas, np.nan)))
            sentence += f": the same {above} after {steps} the steps"
            sentence += f", {_times(2 ** (1 - exponent / alpha))} the images" if column == "P" else ""
        sentences.append(sentence + ".")
    if law.form.aspect:
        low, high = fit.interval("alpha", "aspect")
        times = f"{2 ** -fit.alpha['aspect']:.2f} times the error above e_inf for each octave from it"
        what = (
            "nothing is left of a peak at P = D"
            if low <= 0 <= high
            else f"a {'peak' if low > 0 else 'dip'} at P = D is left, {times}"
        )
        what = what if law.form.irreducible == "theory" else "the peak at P = D, of which this law has no other account"
        sentences.append(f"The aspect exponent is {fit.alpha['aspect']:.3f} ({low:.3f} to {high:.3f}): {what}.")
    squares = law.chi_square
    close = (
        f"Points of all cells lie within {100 * fit.scale:.1f}% of the law (r.m.s.; reduced chi-square {squares:.3g})."
    )
    if squares > NOISE:
        close += (
            f" That is about {np.sqrt(squares):.2g} times their noise: the law describes and predicts errors to that "
            "percentage, and is not exact."
        )
    return [*sentences, close]


def _times(value: float, draws: np.ndarray | None = None) -> str:
    if draws is None:
        return f"{_round(value)} times"
    low, high = percentiles(draws[np.isfinite(draws)])
    return f"{_round(value)} times ({_round(float(low))} to {_round(float(high))})"


def _round(value: float) -> str:
    return f"{value:.2f}" if 0.1 <= value < 1e4 else f"{value:.2g}"
