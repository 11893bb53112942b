"""Adaptive sweeps of 200 simulated grids whose truth is known, of each of KINDS."""

import numpy as np
import pytest

from analysis.fitting.forecast.sequential_design import FEWEST, Ended
from analysis.fitting.forecast.stopping import Target
from tests.analysis.fitting.forecast.simulated_grids import KINDS, broken_setting, design, simulated

GRIDS = 200
EACH = 5  # points of a run


def swept(kind, seed):
    """Settings that were predicted, how many of them are inside their 95% interval, the shares that runs reached."""
    points, truth = simulated(kind, seed)
    sweep, ended = design(points, Target(0.05)), ()
    while not sweep.enough(ended):
        decision = sweep.choose(ended)
        outcome = sweep.points(decision.run, decision.rung).value[-1]
        residual = (outcome - decision.mean) / decision.sd if len(ended) >= FEWEST else np.nan
        ended = (*ended, Ended(decision.run, decision.rung, residual))
    known = sweep.knowledge(sweep.considered(ended))
    inside = np.abs(known.mean - truth[EACH - 1 :: EACH]) <= known.half_width
    return known.open.sum(), (inside & known.open).sum(), sweep.reached(ended)


@pytest.mark.slow
def test_intervals_hold_where_sweeps_stop_and_broken_settings_are_trained():
    open_settings, inside, found = (dict.fromkeys(KINDS, 0) for _ in range(3))
    for seed in range(GRIDS):
        kind = KINDS[seed % len(KINDS)]
        predicted, right, reached = swept(kind, seed)
        open_settings[kind] += predicted
        inside[kind] += right
        found[kind] += reached[broken_setting(seed)] == 1
    coverage = {kind: inside[kind] / open_settings[kind] for kind in KINDS}
    assert all(share >= 0.9 for share in coverage.values()), coverage
    assert coverage["drawn"] <= 0.98, coverage  # not by width, unless a law holds better than the priors expect
    assert found["broken"] >= 0.95 * GRIDS / len(KINDS)
