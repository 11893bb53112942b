"""How often 95% intervals hold the truth, and how often a wrong law is found out: simulated trajectories of known law
and realistic noise.

Noise is autoregressive and multiplicative, binned as the analysis bins; seeds differ in level and slope. The target is
92 to 98% where a law is true and its parameters can be distinguished, which the share of valid fits says.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from analysis.estimates.per_cell_fit import POOR, Form, form_name
from analysis.fitting.log_bins import Bins, log_bins
from analysis.fitting.power_law_fit import PowerLawFit, difference, fit_power_law
from tests.benchmarks.measure import report
from tests.synthetic import noise

Array = NDArray[np.float64]
SELECTED, OTHERS = 800, 200  # simulated cells per row: of the selected model, of the others
X = np.arange(120, 3001.0) * 1e9  # a run of 3,000 steps after twice its warm-up
LEVEL, OFFSET, ALPHA = 0.15, 4.0, 0.4  # of the truth; the offset in units of the smallest x
SCALES = {0.0: 0.01, 0.6: 0.02, 0.9: 0.03}  # autocorrelation -> standard deviation of the noise


@dataclass(frozen=True)
class Truth:
    """E + 0.4 ((x + x0) / min x)^-alpha."""

    E: float
    x0: float
    alpha: float = ALPHA

    def __call__(self, x: Array, slope: float = 0.0) -> Array:
        return np.asarray(self.E + 0.4 * (x / x[0] + self.x0) ** -(self.alpha + slope))


def truth_of(form: Form) -> Truth:
    """A curve of a form."""
    return Truth(0.0 if form[0] == "none" else LEVEL, OFFSET if form[1] == "free" else 0.0)


def main() -> None:
    above = ("theory", "free")
    cases = [(above, truth_of(above), rho, 1, 0.0, SELECTED) for rho in SCALES]
    cases += [(above, truth_of(above), 0.6, seeds, slope, SELECTED) for seeds in (2, 3, 4, 5) for slope in (0.0, 0.01)]
    cases += [(above, Truth(LEVEL, 0.0), rho, 1, 0.0, SELECTED) for rho in SCALES]
    others = [form for form in (*POOR, ("free", "none"), ("free", "free")) if form != above]
    cases += [(form, truth_of(form), rho, 1, 0.0, OTHERS) for form in others for rho in SCALES]
    report("coverage", "95% intervals of simulated cells",
           [row(np.random.default_rng(i), *case) for i, case in enumerate(cases)])  # fmt: skip
    report("wrong_laws", "Curves that follow no such law: how often the selected model fails a check",
           [found_out(np.random.default_rng(i), *case) for i, case in enumerate(WRONG.items())])  # fmt: skip
    cells = enumerate(itertools.product(POOR, SCALES))
    report("selection", "Intervals of alpha of a law that each cell chooses among the four of few parameters",
           [selected(np.random.default_rng(i), *case) for i, case in cells])  # fmt: skip


def row(
    rng: np.random.Generator, form: Form, truth: Truth, correlation: float, seeds: int, slope: float, repeats: int
) -> dict[str, object]:
    """Coverage of the intervals of the parameters that were fitted, and of the difference of two cells' alpha."""
    fits = [fitted(rng, form, truth, correlation, seeds, slope) for _ in range(repeats)]
    free = {"alpha": truth.alpha, **({"x0": truth.x0 * X[0]} if form[1] == "free" else {}),
            **({"E": truth.E} if form[0] == "free" else {})}  # fmt: skip
    covers = {f"{name} %": 100 * _share(fits, name, value) for name, value in free.items()}
    pairs = np.array([difference(one, other)[1:] for one, other in zip(fits[::2], fits[1::2], strict=True)])
    return {
        "law": form_name(*form),
        "truth": "x0 = 0" if form[1] == "free" and truth.x0 == 0 else "",
        "rho": correlation,
        "seeds": seeds,
        "s.d. of slopes": slope,
        "cells": repeats,
        **covers,
        "difference %": 100 * float(np.mean((pairs[:, 0] <= 0) & (pairs[:, 1] >= 0))),
        "bias %": 100 * float(np.median([fit.alpha for fit in fits]) / truth.alpha - 1),
        "chi-square": float(np.median([fit.chi_square for fit in fits])),
        "trusted %": 100 * float(np.mean([fit.valid for fit in fits])),
        "alpha % of trusted": 100 * _share([fit for fit in fits if fit.valid], "alpha", truth.alpha),
    }


def _share(fits: list[PowerLawFit], name: str, truth: float) -> float:
    if not fits:
        return float("nan")
    intervals = np.array([fit.interval(name) for fit in fits])
    return float(np.mean((intervals[:, 0] <= truth) & (truth <= intervals[:, 1])))


WRONG: dict[str, Callable[[Array], Array]] = {
    "a broken power law: alpha doubles half-way": lambda u: LEVEL + 0.4 * u**-0.3 * np.maximum(u / 5, 1) ** -0.3,
    "a broken power law: alpha halves half-way": lambda u: LEVEL + 0.4 * u**-0.4 * np.maximum(u / 5, 1) ** 0.2,
    "a step: a tenth lower from half-way on": lambda u: (LEVEL + 0.4 * (u + 4) ** -0.4) * np.where(u > 5, 0.9, 1.0),
    "a plateau 0.05 above the level": lambda u: LEVEL + 0.05 + 0.4 * (u + 4) ** -0.8,
    "a plateau from the last third on": lambda u: LEVEL + 0.4 * np.minimum(u + 4, 12.0) ** -0.4,
}


def found_out(rng: np.random.Generator, name: str, curve: Callable[[Array], Array]) -> dict[str, object]:
    """Share of simulated cells of which the law above the baseline fails a check, its chi-square, and what it costs."""
    fits = [_fit([_run(rng, curve(X / X[0]), 0.6)], ("theory", "free"), rng, 0.25) for _ in range(OTHERS)]
    return {
        "curve": name,
        "found out %": 100 * float(np.mean([not fit.valid for fit in fits])),
        "chi-square": float(np.median([fit.chi_square for fit in fits])),
        "held-out error %": 100 * float(np.median([fit.extrapolation_error for fit in fits])),
    }


def selected(rng: np.random.Generator, form: Form, correlation: float) -> dict[str, object]:
    """Coverage where the form is known, where each cell chooses its own by AICc, and how often it chooses right."""
    truth = truth_of(form)
    known, chosen, right = [], [], 0
    for _ in range(OTHERS):
        run = _run(rng, truth(X), correlation)
        laws = {kind: _fit([run], kind, rng) for kind in POOR if kind[0] == "none" or run.y.min() > LEVEL}
        best = min(laws, key=lambda kind: laws[kind].aicc)
        known.append(laws[form])
        chosen.append(laws[best])
        right += best == form
    return {
        "truth": form_name(*form),
        "rho": correlation,
        "form known %": 100 * _share(known, "alpha", truth.alpha),
        "form chosen by the cell %": 100 * _share(chosen, "alpha", truth.alpha),
        "chosen right %": 100 * right / OTHERS,
    }


def fitted(
    rng: np.random.Generator, form: Form, truth: Truth, correlation: float, seeds: int, slope: float
) -> PowerLawFit:
    """One simulated cell's fit."""
    runs = []
    for _ in range(seeds):
        level, own = (0.02 * rng.standard_normal(), slope * rng.standard_normal()) if seeds > 1 else (0.0, 0.0)
        curve = truth.E + (truth(X, own) - truth.E) * np.exp(level)
        runs.append(_run(rng, curve, correlation))
    return _fit(runs, form, rng)


def _run(rng: np.random.Generator, curve: Array, correlation: float) -> Bins:
    return log_bins(X, curve * np.exp(noise(rng, len(X), SCALES[correlation], correlation)))


def _fit(runs: list[Bins], form: Form, rng: np.random.Generator, holdout: float = 0.0) -> PowerLawFit:
    return fit_power_law(
        np.concatenate([bins.x for bins in runs]),
        np.concatenate([bins.y for bins in runs]),
        irreducible=LEVEL if form[0] == "theory" else form[0],
        offset=form[1],
        covariance=block_diag(*(bins.covariance for bins in runs)),
        runs=np.repeat(range(len(runs)), [len(bins.x) for bins in runs]),
        holdout=holdout,
        seed=int(rng.integers(1 << 30)),
    )
