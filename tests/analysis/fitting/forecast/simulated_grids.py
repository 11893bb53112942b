"""Grids of runs whose truth is known: a law, a law with a smooth misfit, a law that one setting breaks, and sweeps that
differ from a law as the priors say that sweeps do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analysis.fitting.forecast.covariance import VIEWS_LENGTH, Scales
from analysis.fitting.forecast.points import FRACTIONS, Points, places
from analysis.fitting.forecast.priors import drawn
from analysis.fitting.forecast.sequential_design import RUNGS, SequentialDesign
from analysis.fitting.forecast.stopping import Target
from analysis.fitting.forecast.trends import ScalingLaw
from mmcr_core.theory import expected_percent_error

KINDS = ("law", "misfit", "broken", "drawn")
SIZES = (32, 64, 128, 256)
VIEWS = (2, 4)
IMAGES = 160_000
RUN_NOISE, POINT_NOISE = 0.012, 0.004
MISFIT, LENGTH = 0.05, 2.0  # standard deviation in logs, and length in octaves
BROKEN = 1.35  # times what the law says


def simulated(kind: str, seed: int, seeds: int = 1) -> tuple[Points, np.ndarray]:
    """Points of every run at the ends of FRACTIONS, (n,), run by run, and the logs of the true final errors of each
    point's setting, (n,)."""
    rng = np.random.default_rng([KINDS.index(kind), seed])
    settings = [(P, D, K) for P in SIZES for D in SIZES for K in VIEWS]
    alpha, height = rng.uniform(0.2, 0.6), rng.normal(-1.2, 0.3)
    b, c, d = rng.normal(0, 0.15, 2), rng.normal(0.3, 0.2), rng.normal(3.5, 0.8)
    x = np.log2(np.array([(P, D) for P, D, _ in settings], float))
    off = np.zeros((len(settings), len(FRACTIONS)))
    if kind == "misfit":
        distance = ((x[:, None] - x[None]) ** 2).sum(-1)
        covariance = MISFIT**2 * np.exp(-distance / 2 / LENGTH**2) + 1e-9 * np.eye(len(off))
        off += rng.multivariate_normal(np.zeros(len(off)), covariance)[:, None]
    if kind == "broken":
        off[broken_setting(seed)] = np.log(BROKEN)
    deviation = lambda: rng.normal(0, RUN_NOISE)  # noqa: E731
    if kind == "drawn":
        scales = drawn(rng)
        off += rng.multivariate_normal(np.zeros(off.size), _misfits(scales, settings), method="eigh").reshape(off.shape)
        runs = scales.run**2 * _smooth(np.log2(FRACTIONS), scales.length_run)
        deviation = lambda: rng.multivariate_normal(np.zeros(len(runs)), runs, method="eigh")  # noqa: E731
    parts, truths = [], []
    for number, (P, D, K) in enumerate(settings):
        p, e = np.log2([P / 64, D / 64]) @ b, float(expected_percent_error(P, D))

        def error(steps, p=p, e=e, K=K, number=number):
            above = np.exp(height + p + c * (1 - 2 / K) - alpha * np.log((steps + np.exp(d)) / 256))
            return np.log(e + above)

        total = IMAGES // P
        steps = np.array(FRACTIONS) * total * 0.975
        for replicate in range(seeds):
            value = error(steps) + off[number] + deviation() + rng.normal(0, POINT_NOISE, len(steps))
            at = places(P, D, K, steps, e, 0, number * seeds + replicate, 1.0)
            parts.append(replace(at, value=value, variance=np.full(len(steps), POINT_NOISE**2)))
            truths.append(np.full(len(steps), error(steps[-1]) + off[number, -1]))
    return Points.concatenate(parts), np.concatenate(truths)


def _misfits(scales: Scales, settings: list[tuple[int, int, int]]) -> np.ndarray:
    """Covariance of what the law misses at each of FRACTIONS of each setting."""
    rows = [(P, D, K, fraction * IMAGES / P) for P, D, K in settings for fraction in FRACTIONS]
    P, D, K, steps = np.array(rows, float).T
    grid = _smooth(np.log2(P), scales.length_P) * _smooth(np.log2(D), scales.length_D)
    views = scales.misfit**2 + scales.views**2 * _smooth(2 / K, VIEWS_LENGTH)
    return grid * _smooth(np.log2(steps), scales.length_steps) * views


def _smooth(x: np.ndarray, length: float) -> np.ndarray:
    return np.exp(-((x[:, None] - x[None, :]) ** 2) / 2 / length**2)


def design(points: Points, target: Target) -> SequentialDesign:
    """A sweep of these runs, all of which cost as P K steps do."""
    each = len(FRACTIONS)

    def up_to(run: int, rung: float) -> Points:
        mine = points[run * each : (run + 1) * each]
        return mine[np.array(FRACTIONS) <= rung]

    ends = points[np.arange(each - 1, len(points), each)]
    flops = 1e7 * ends.P * ends.K * ends.steps
    return SequentialDesign(ends, flops, [RUNGS] * len(ends), target, up_to, ScalingLaw.near)


def broken_setting(seed: int) -> int:
    """The number of the setting that breaks the law."""
    return int(np.random.default_rng(seed).integers(len(SIZES) ** 2 * len(VIEWS)))
