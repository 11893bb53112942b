"""How often 95 % intervals of the exponent hold the truth: simulated trajectories of known law and realistic noise.

Noise is autoregressive and multiplicative, binned as the analysis bins; seeds differ in level and slope. The target
is 92 to 98 %, and a bias of alpha below 2 %.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import block_diag

from analysis.laws.log_bins import log_bins
from analysis.laws.power_law_fit import difference, fit_power_law
from tests.benchmarks.measure import report
from tests.synthetic import noise

REPEATS = 800
STEPS = 3000
WARM_UP = 60  # steps left out
PLAIN = {"none": (0.0, 0.15), "0.15": (0.15, 0.25), "free": (0.15, 0.25)}  # floor -> E, alpha
SCALES = {0.0: 0.01, 0.6: 0.02, 0.9: 0.03}  # autocorrelation -> standard deviation of the noise


def main() -> None:
    cases = [(floor, correlation, 1, 0.0) for floor in PLAIN for correlation in SCALES]
    cases += [("none", 0.6, seeds, slope) for seeds in (2, 3, 5) for slope in (0.0, 0.005, 0.02)]
    cases += [(floor, 0.6, 3, 0.005) for floor in ("0.15", "free")]
    rows = [row(np.random.default_rng(i), *case) for i, case in enumerate(cases)]
    report("coverage", f"95 % intervals of alpha, {REPEATS} simulated cells a row", rows)


def row(rng: np.random.Generator, floor: str, correlation: float, seeds: int, slope: float) -> dict[str, object]:
    """Coverage of alpha's interval (and of the difference of two cells), bias and width."""
    alpha = PLAIN[floor][1]
    fits = [fitted(rng, floor, correlation, seeds, slope) for _ in range(REPEATS)]
    intervals = np.array([fit.interval("alpha") for fit in fits])
    pairs = np.array([difference(one, other)[1:] for one, other in zip(fits[::2], fits[1::2], strict=True)])
    return {
        "floor": floor,
        "autocorrelation": correlation,
        "seeds": seeds,
        "s.d. of slopes": slope,
        "covers %": 100 * float(np.mean((intervals[:, 0] <= alpha) & (alpha <= intervals[:, 1]))),
        "difference covers %": 100 * float(np.mean((pairs[:, 0] <= 0) & (pairs[:, 1] >= 0))),
        "bias %": 100 * float(np.mean([fit.alpha for fit in fits]) / alpha - 1),
        "width": float(np.median(np.diff(intervals))),
        "trusted %": 100 * float(np.mean([fit.trusted for fit in fits])),
    }


def fitted(rng: np.random.Generator, floor: str, correlation: float, seeds: int, slope: float):
    """One simulated cell's fit."""
    E, alpha = PLAIN[floor]
    x = np.arange(WARM_UP, STEPS + 1.0) * 1e9
    runs = []
    for _ in range(seeds):
        level, own = (0.02 * rng.standard_normal(), alpha + slope * rng.standard_normal()) if seeds > 1 else (0, alpha)
        curve = E + 0.4 * np.exp(level) * (x / x[0]) ** -own
        runs.append(log_bins(x, curve * np.exp(noise(rng, len(x), SCALES[correlation], correlation))))
    return fit_power_law(
        np.concatenate([bins.x for bins in runs]),
        np.concatenate([bins.y for bins in runs]),
        floor=floor if floor in ("none", "free") else float(floor),
        covariance=block_diag(*(bins.covariance for bins in runs)),
        runs=np.repeat(range(seeds), [len(bins.x) for bins in runs]),
        seed=int(rng.integers(1 << 30)),
    )
