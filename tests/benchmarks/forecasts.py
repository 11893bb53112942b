"""Predictions of many runs (fit, calibration and every run's end) on one core, with what an adaptive sweep knows and
decides after as many rungs."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from analysis.fitting.forecast.calibration import calibrate
from analysis.fitting.forecast.points import FRACTIONS, Points, places
from analysis.fitting.forecast.process import fit_process
from analysis.fitting.forecast.scales import Scale
from analysis.fitting.forecast.sequential_design import RUNGS, Ended, SequentialDesign
from analysis.fitting.forecast.stopping import Target
from mmcr_core.theory import expected_percent_error
from tests.benchmarks.measure import report

RUNS = (225, 2000)
VIEWS = (2, 4, 6, 8)
IMAGES = 160_000
DECISIONS = 20


def main() -> None:
    with threadpool_limits(1, user_api="blas"):
        rows = [measured(count) for count in RUNS]
    report("forecasts", "Predictions of a sweep's runs, five points each, and decisions; CPU seconds of one core", rows)


def measured(count: int) -> dict[str, float]:
    points = simulated(count)
    ends = points[len(FRACTIONS) - 1 :: len(FRACTIONS)]
    began = time.process_time()
    process = fit_process(points, Scale.LOG.trend(points))
    calibrate(process)
    process.predict(ends)
    predicted = time.process_time() - began

    def up_to(run: int, rung: float) -> Points:
        mine = points[run * len(FRACTIONS) : (run + 1) * len(FRACTIONS)]
        return mine[np.array(FRACTIONS) <= rung]

    design = SequentialDesign(ends, 1e7 * ends.P * ends.K * ends.steps, [RUNGS] * count, Target(0.05), up_to,
                              Scale.LOG.trend)  # fmt: skip
    ended = tuple(Ended(run, RUNGS[0]) for run in np.random.default_rng(0).permutation(count).tolist())
    design.knowledge(ended[: count - 1])  # with the hyperparameters, that are learned once while rungs grow by a fifth
    began = time.process_time()
    design.choose(ended)
    first = time.process_time() - began
    running: list[tuple[int, float]] = []
    began = time.process_time()
    for _ in range(DECISIONS):
        decision = design.choose(ended, running)
        assert decision is not None
        running.append((decision.run, decision.rung))
    following = (time.process_time() - began) / DECISIONS
    batch = design.batch(count)
    return {
        "runs": count,
        "points": len(points),
        "predictions s": predicted,
        "what decisions know s": first,
        "decisions that share it": batch,
        "a decision s": first / batch + following,
    }


def simulated(count: int) -> Points:
    """Runs of as many settings, by a law with a misfit, five points each."""
    sizes = np.unique(np.linspace(16, 512, int(np.ceil((count / len(VIEWS)) ** 0.5))).round())
    settings = [(P, D, K) for P in sizes for D in sizes for K in VIEWS][:count]
    rng, parts = np.random.default_rng(0), []
    for run, (P, D, K) in enumerate(settings):
        baseline, steps = float(expected_percent_error(P, D)), np.array(FRACTIONS) * IMAGES / P * 0.975
        above = np.exp(-1.2 + 0.1 * np.log2(P / 64) + 0.3 * (1 - 2 / K) - 0.4 * np.log((steps + 30) / 256))
        misfit = 0.03 * np.sin(np.log2(P) + np.log2(D) / 2) + rng.normal(0, 0.012)
        value = np.log(baseline + above) + misfit + rng.normal(0, 0.004, len(steps))
        at = places(P, D, K, steps, baseline, 0, run, 1.0)
        parts.append(replace(at, value=value, variance=np.full(len(steps), 0.004**2)))
    return Points.concatenate(parts)


if __name__ == "__main__":
    main()
