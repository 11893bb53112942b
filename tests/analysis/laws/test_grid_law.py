"""One law for the grid, and forecasts from it, on stores whose law is known."""

import numpy as np
import pandas as pd
import pytest

from analysis.laws.forecast import end_test, forecaster
from analysis.laws.grid_law import fit_grid_law, fit_grid_laws, grid_points
from analysis.laws.measured_cells import Cell
from mmcr_core.theory import expected_percent_error

STEPS = np.geomspace(20, 20_000, 25)
SIZES = (32, 64, 128, 256)


def law(P, D, K, steps):
    return expected_percent_error(P, D) + 1.5 * steps**-0.25 * P**-0.1 * D**0.05 * K**-0.2


def points(curve=law, noise=0.01, seeds=1, deviation=0.0):
    """Cells measured along `curve`; `deviation`: how far cells lie from it, in logs."""
    rng, cells = np.random.default_rng(0), {}
    for P in SIZES:
        for D in SIZES:
            for K in (2, 4):
                own = deviation * rng.standard_normal()
                curves = [curve(P, D, K, STEPS) * np.exp(own + noise * rng.standard_normal(25)) for _ in range(seeds)]
                error = np.concatenate(curves)
                labels = np.repeat(range(seeds), 25).tolist()
                covariance = noise**2 * np.eye(len(error))
                cells["mmcr", P, D, K] = Cell(np.tile(STEPS, seeds), error, noise * error, covariance, labels, False)
    return grid_points(cells)


@pytest.fixture(scope="module")
def laws():
    return fit_grid_laws(points())


def test_the_law_of_the_grid_is_recovered_and_its_floor_found(laws):
    best = laws[0]
    assert best.floor == "theory"
    assert best.fit.alpha["steps"] == pytest.approx(0.25, abs=0.01)
    for column, truth in (("P", 0.1), ("D", -0.05), ("K", 0.2), ("aspect", 0.0)):
        low, high = best.fit.interval("alpha", column)
        assert low - 0.01 <= truth <= high + 0.01, column


def test_expensive_cells_are_foretold_from_cheap_ones(laws):
    best = laws[0]
    assert best.tested == 10  # three tenths of 32 cells
    assert best.error < 0.02 and best.coverage >= 0.8
    table = best.test
    images = table["steps"] * table["P"] * table["K"]
    assert images[table["held_out"]].min() >= images[~table["held_out"]].max()


def test_forecasts_cover_cells_that_deviate_from_the_law():
    law_of_all = fit_grid_law(points(deviation=0.1), "theory")
    assert law_of_all.coverage >= 0.8
    assert 0.03 < law_of_all.error < 0.25


def test_a_law_without_floor_is_off_where_there_is_one(laws):
    by_floor = {law.floor: law.error for law in laws}
    assert by_floor["none"] > 2 * by_floor["theory"]


def test_a_column_that_does_not_vary_is_left_out():
    table = points()
    fit = fit_grid_law(table[table["K"] == 2], "theory").fit
    assert "K" not in fit.alpha and set(fit.alpha) == {"steps", "P", "D", "aspect"}


def test_too_few_cells_have_no_law():
    table = points()
    with pytest.raises(ValueError, match=r"groups|depend"):
        fit_grid_laws(table[(table["P"] == 32) & (table["D"] == 32) & (table["K"] == 2)])


def test_a_trained_cell_is_what_was_measured_and_widens_beyond():
    table = points(deviation=0.2)
    known = forecaster(table, fit_grid_law(table, "theory"))
    cells = pd.DataFrame({"P": [64, 64, 64], "D": [128, 128, 128], "K": [2, 2, 2]})
    steps = np.array([STEPS[12], STEPS[-1], 20 * STEPS[-1]])
    error, low, high = known.foretell(cells, steps)
    own = table[(table["P"] == 64) & (table["D"] == 128) & (table["K"] == 2)]["error"].to_numpy()
    assert error[:2] == pytest.approx(own[[12, -1]])
    assert (low < error).all() and (error < high).all()
    width = np.log(high / low)
    assert width[2] > 1.5 * width[1]
    assert error[2] < error[1]


def test_ends_of_runs_are_foretold_from_their_first_quarter():
    error, coverage, runs = end_test(points(deviation=0.1), "theory")
    assert runs == 32
    assert error < 0.03 and coverage >= 0.85


def test_curves_that_bend_after_the_first_quarter_are_foretold_badly_and_show_it():
    def bent(P, D, K, steps):
        return law(P, D, K, steps) * np.where(steps > 3000, (steps / 3000) ** -0.6, 1.0)

    error, coverage, _ = end_test(points(bent), "theory")
    assert error > 0.2 and coverage < 0.5


def test_seeds_are_averaged():
    table = points(seeds=3, noise=0.05)
    known = forecaster(table, fit_grid_law(table, "theory"))
    cell = pd.DataFrame({"P": [64], "D": [64], "K": [2]})
    own = table[(table["P"] == 64) & (table["D"] == 64) & (table["K"] == 2) & np.isclose(table["steps"], STEPS[-1])]
    error, low, high = known.foretell(cell, STEPS[-1:])
    assert error[0] == pytest.approx(np.exp(np.log(own["error"]).mean()))
    assert low[0] < error[0] < high[0]


def test_runs_too_short_to_know_how_forecasts_miss_are_refused():
    table = points()
    short = table[table["steps"] < 1.5 * STEPS[0]]
    with pytest.raises(ValueError, match="factor of two"):
        forecaster(short, fit_grid_law(table, "theory"))
