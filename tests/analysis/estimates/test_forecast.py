"""Forecasts of longer runs, on cells whose law is known."""

import numpy as np
import pandas as pd
import pytest

from analysis.estimates.forecast import backtest, forecaster
from analysis.estimates.joint_scaling_law import JointForm, fit_joint_law
from tests.analysis.estimates.synthetic_grid import STEPS, law, points

ABOVE = JointForm("theory", "none", aspect=True)


def test_a_trained_cell_is_what_was_measured_and_widens_beyond():
    table = points(deviation=0.2)
    known = forecaster(table, fit_joint_law(table, ABOVE))
    cells = pd.DataFrame({"P": [64, 64, 64], "D": [128, 128, 128], "K": [2, 2, 2]})
    steps = np.array([STEPS[12], STEPS[-1], 20 * STEPS[-1]])
    error, low, high = known.predict(cells, steps)
    own = table[(table["P"] == 64) & (table["D"] == 128) & (table["K"] == 2)]["error"].to_numpy()
    assert error[:2] == pytest.approx(own[[12, -1]])
    assert (low < error).all() and (error < high).all()
    width = np.log(high / low)
    assert width[2] > 1.5 * width[1]
    assert error[2] < error[1]


def test_ends_of_runs_are_predicted_from_their_first_quarter():
    error, coverage, runs = backtest(points(deviation=0.1), ABOVE)
    assert runs == 32
    assert error < 0.03 and coverage >= 0.85


def test_curves_that_bend_after_the_first_quarter_are_predicted_badly_and_show_it():
    def bent(P, D, K, steps):
        return law(P, D, K, steps) * np.where(steps > 3000, (steps / 3000) ** -0.6, 1.0)

    error, coverage, _ = backtest(points(bent), ABOVE)
    assert error > 0.2 and coverage < 0.5


def test_seeds_are_averaged():
    table = points(seeds=3, noise=0.05)
    known = forecaster(table, fit_joint_law(table, ABOVE))
    cell = pd.DataFrame({"P": [64], "D": [64], "K": [2]})
    own = table[(table["P"] == 64) & (table["D"] == 64) & (table["K"] == 2) & np.isclose(table["steps"], STEPS[-1])]
    error, low, high = known.predict(cell, STEPS[-1:])
    assert error[0] == pytest.approx(np.exp(np.log(own["error"]).mean()))
    assert low[0] < error[0] < high[0]


def test_runs_too_short_to_know_how_forecasts_miss_are_refused():
    table = points()
    short = table[table["steps"] < 1.5 * STEPS[0]]
    with pytest.raises(ValueError, match="factor of two"):
        forecaster(short, fit_joint_law(table, ABOVE))
