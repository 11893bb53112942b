"""One law for the grid, on cells whose law is known."""

import pytest

from analysis.laws.grid_law import fit_grid_law, fit_grid_laws
from tests.analysis.laws.known_grid import points


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
