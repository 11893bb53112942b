"""What an adaptive sweep is expected to train: the design is played on errors that are drawn from what is known, of the
sweep itself and of others of its kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.fitting.forecast.blas_threads import on_one_thread
from analysis.fitting.forecast.choice import NOISE
from analysis.fitting.forecast.points import Points, rung_windows
from analysis.fitting.forecast.priors import drawn
from analysis.fitting.forecast.process import Process, fit_process
from analysis.fitting.forecast.sequential_design import Ended, SequentialDesign
from sweeps.execution.adaptive.scheduler import Family

DRAWS = 8
MOST = 150  # runs that are played; more are thinned evenly
FEW = 50  # runs, of which each decision is played as it would be taken
FRESH = 10  # of more, ended rungs up to which a played decision knows them all


@dataclass(frozen=True)
class Expectation:
    """Means over draws: shares of the FLOPs (and its `least` and `most`), and of the runs that are trained `whole` and
    in `part`; `spent`: share of the FLOPs that is trained already; `shares`: run_id -> share of its steps, of the runs
    that were played; `others`: finished runs of other sweeps that were learned from."""

    share: float
    least: float
    most: float
    whole: float
    part: float
    spent: float
    shares: dict[str, float]
    others: int


@dataclass(frozen=True)
class Known:
    """A family with its `ended` rungs, and points of finished runs of its kind, outside the sweep (`runs` of them)."""

    family: Family
    ended: tuple[Ended, ...]
    elsewhere: Points
    runs: int


@on_one_thread
def expected(known: Sequence[Known], draws: Iterable[int] = range(DRAWS)) -> Expectation:
    """What is trained until the target is met, each family after the rungs of it that have ended; `draws`: seeds."""
    found: list[dict[str, float]] = []
    flops = {run.run_id: run.flops for one in known for run in one.family.runs}
    for draw in draws:
        shares: dict[str, float] = {}
        for one in known:
            shares |= _played(one, np.random.default_rng([0, draw]))
        found.append(shares)
    total = sum(flops[key] for key in found[0])
    spent = [sum(flops[key] * share for key, share in shares.items()) / total for shares in found]
    mean = {key: float(np.mean([shares[key] for shares in found])) for key in found[0]}
    before = {run.run_id: share for one in known
              for run, share in zip(one.family.runs, one.family.design.reached(one.ended), strict=True)}  # fmt: skip
    reached = np.array([[shares[key] for key in mean] for shares in found])
    return Expectation(
        sum(spent) / len(spent),
        min(spent),
        max(spent),
        float((reached == 1).mean()),
        float(((reached > 0) & (reached < 1)).mean()),
        float(sum(flops[key] * before[key] for key in mean) / total),
        mean,
        sum(one.runs for one in known),
    )


def _played(known: Known, rng: np.random.Generator) -> dict[str, float]:
    """Share of its steps that each run is trained for, on one draw."""
    family, ended = known.family, known.ended
    if (family.design.reached(ended) == 1).all():
        return {run.run_id: 1.0 for run in family.runs}
    kept = _thinned(len(family.runs), {one.run for one in ended})
    design, number = family.design, {run: i for i, run in enumerate(kept)}
    drawn = _draw(family, kept, _process(known, rng), rng)
    ended = tuple(replace(one, run=number[one.run]) for one in ended)
    real = {i: max(one.rung for one in ended if one.run == i) for i in {one.run for one in ended}}

    def points(run: int, rung: float) -> Points:
        measured = design.points(kept[run], min(rung, real.get(run, 0.0))) if run in real else drawn[run][np.arange(0)]
        reached = family.runs[kept[run]].steps_of(real.get(run, 0.0))
        end = family.runs[kept[run]].steps_of(rung)
        later = drawn[run][(drawn[run].steps > reached) & (drawn[run].steps <= end)]
        return replace(Points.concatenate([measured, later]), run=np.full(len(measured) + len(later), run))

    played = SequentialDesign(
        replace(design.ends[kept], run=np.arange(len(kept))), design.flops[kept],
        [design.rungs[run] for run in kept], design.target, points, design.trend, design.unit,
        **({} if len(kept) <= FEW else {"fresh": FRESH}),
    )  # fmt: skip
    while not played.enough(ended) and (choice := played.choose(ended)):
        values = points(choice.run, choice.rung).value
        residual = (float(values[-1]) - choice.mean) / choice.sd if len(values) else np.nan
        ended = (*ended, Ended(choice.run, choice.rung, residual))
    reached = played.reached(ended)
    return {family.runs[run].run_id: float(share) for run, share in zip(kept, reached, strict=True)}


def _process(known: Known, rng: np.random.Generator) -> Process:
    """What is known, with one draw of the hyperparameters: a sweep may be smoother than another, or less."""
    points = Points.concatenate([known.family.design.measured(known.ended), known.elsewhere])
    process = fit_process(points, known.family.scale.trend(points))
    if not len(points):
        return replace(process, samples=((drawn(rng)._replace(variant=process.mode.variant), 1.0),))
    weights = [weight for _, weight in process.samples]
    scales, _ = process.samples[int(rng.choice(len(weights), p=weights))]
    return replace(process, samples=((scales, 1.0),))


def _draw(family: Family, kept: list[int], process: Process, rng: np.random.Generator) -> list[Points]:
    """Points that each run might have, as the process says: one draw of all of them."""
    places = []
    for run in kept:
        one = family.runs[run]
        windows = rung_windows(one.steps, one.steps, one.settled)
        steps = np.array([(first + last) / 2 for first, last in windows])
        places.append(replace(Points.concatenate([family.design.ends[[run]]] * len(windows)), steps=steps))
    every = Points.concatenate(places)
    mean, _ = process.predict(every)
    values, axes = np.linalg.eigh(process.joint(every))
    noise = np.sqrt(process.mode.noise**2 + NOISE**2)
    value = mean + axes @ (np.sqrt(np.maximum(values, 0)) * rng.standard_normal(len(values)))
    value += noise * rng.standard_normal(len(value))
    every = replace(every, value=value, variance=np.full(len(value), NOISE**2))
    ends = np.cumsum([len(one) for one in places])[:-1]
    return [every[index] for index in np.split(np.arange(len(every)), ends)]


def _thinned(count: int, begun: set[int]) -> list[int]:
    """All of so many runs, or evenly as many as can be played, those that were begun among them."""
    if count <= MOST:
        return list(range(count))
    return sorted({*np.linspace(0, count - 1, MOST).round().astype(int).tolist(), *begun})
