"""Adaptive sweeps of simulated grids: what they train, when they stop, and that the same history decides the same."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.fitting.forecast.sequential_design import FEWEST, Ended, rungs_of
from analysis.fitting.forecast.stopping import Target
from tests.analysis.fitting.forecast.simulated_grids import BROKEN, broken_setting, design, simulated


def trained(sweep, most=200):
    """The rungs that a sweep ends, in order, until it knows enough."""
    ended = ()
    while not sweep.enough(ended) and len(ended) < most:
        decision = sweep.choose(ended)
        outcome = sweep.points(decision.run, decision.rung).value[-1]
        residual = (outcome - decision.mean) / decision.sd if len(ended) >= FEWEST else np.nan
        ended = (*ended, Ended(decision.run, decision.rung, residual))
    return ended


@pytest.fixture(scope="module")
def swept():
    points, truth = simulated("misfit", 1)
    sweep = design(points, Target(0.05))
    return sweep, trained(sweep), truth[::5]


def test_a_sweep_stops_early_and_is_right(swept):
    sweep, ended, truth = swept
    reached, known = sweep.reached(ended), sweep.knowledge(ended)
    assert (sweep.flops * reached).sum() < 0.3 * sweep.flops.sum()
    assert (reached > 0).all()  # nothing is predicted that was never looked at
    first = np.unique(sweep.settings, return_index=True)[1]
    missed = (known.mean - truth[first])[known.open]
    assert np.sqrt((missed**2).mean()) < 0.05 and known.distance <= 1
    assert (abs(missed) <= known.half_width[known.open]).mean() > 0.85


def test_the_same_history_decides_the_same(swept):
    sweep, ended, _ = swept
    anew = design(simulated("misfit", 1)[0], Target(0.05))
    for count in (0, 2, 7, len(ended) // 2):
        assert anew.choose(ended[:count]) == sweep.choose(ended[:count])


def test_what_runs_is_not_chosen_again_and_everything_is_chosen_once(swept):
    sweep, ended, _ = swept
    first = sweep.choose(ended[:10])
    second = sweep.choose(ended[:10], [(first.run, first.rung)])
    assert second.run != first.run
    everything = tuple(Ended(run, 1.0) for run in range(len(sweep.ends)))
    assert sweep.choose(everything) is None and sweep.enough(everything)


def test_a_setting_that_breaks_the_law_is_trained_not_predicted():
    points, _ = simulated("broken", 2)
    sweep = design(points, Target(0.05))
    ended = trained(sweep)
    assert len(ended) < 200
    assert sweep.reached(ended)[broken_setting(2)] == 1, BROKEN


def test_a_target_of_each_setting_costs_more():
    points, _ = simulated("law", 4)
    costs = [design(points, Target(0.04, largest)) for largest in (False, True)]
    shares = [(sweep.flops * sweep.reached(trained(sweep))).sum() for sweep in costs]
    assert shares[0] <= shares[1]


def test_rungs_end_after_the_warm_up_and_40_steps():
    assert rungs_of(1600, 0, False) == (1 / 8, 1 / 4, 1 / 2, 1.0)
    assert rungs_of(160, 0, False) == (1 / 4, 1 / 2, 1.0)
    assert rungs_of(1600, 300, False) == (1 / 4, 1 / 2, 1.0)
    assert rungs_of(1600, 0, True) == (1.0,)


def test_two_seeds_of_a_setting_predict_each_other_but_for_their_noise():
    points, _ = simulated("law", 5, seeds=2)
    sweep = design(points, Target(0.05))
    some = tuple(Ended(run, 1.0) for run in range(0, 40, 2))
    known = sweep.knowledge(some).process
    seen, twin = (known.predict(replace(sweep.ends[[run]], run=np.array([run])))[1][0] for run in (0, 1))
    assert twin > seen


@pytest.mark.parametrize(("cost", "count", "known"), [(1e7, 60, 60), (1e7, 300, 298), (1.0, 15, 15), (1.0, 60, 57)])
def test_where_rungs_are_short_decisions_know_all_but_an_eighth(cost, count, known):
    points, _ = simulated("law", 6)
    sweep = design(points, Target(0.05))
    cheap = type(sweep)(sweep.ends, sweep.flops * cost / 1e7, sweep.rungs, sweep.target, sweep.points, sweep.trend)
    considered = cheap.considered(tuple(Ended(number % 32, 0.125) for number in range(count)))
    assert len(considered) == known
