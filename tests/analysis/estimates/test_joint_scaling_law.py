"""One law for the grid, on cells whose law is known."""

import numpy as np
import pytest

from analysis.estimates.fit_data import Cell
from analysis.estimates.joint_scaling_law import (
    BY_FORMULA,
    JointForm,
    fit_joint_law,
    fit_joint_laws,
    grid_points,
    law_table,
)
from mmcr_core.theory import expected_percent_error
from tests.analysis.estimates.synthetic_grid import COUNT, STEPS, points

pytestmark = pytest.mark.xdist_group("joint laws")


def test_the_law_of_the_grid_is_recovered_and_its_floor_found(laws):
    best = laws[0]
    assert best.form == JointForm("theory", "none", aspect=False)  # the simplest that is right
    assert best.fit.alpha["steps"] == pytest.approx(0.25, abs=0.01)
    for column, truth in (("P", 0.1), ("D", -0.05), ("K", 0.2)):
        low, high = best.fit.interval("alpha", column)
        assert low - 0.01 <= truth <= high + 0.01, column


def test_expensive_cells_are_predicted_from_cheap_ones(laws):
    best = laws[0]
    assert best.tested == 10  # three tenths of 32 cells
    assert best.error < 0.02 and best.coverage >= 0.8
    table = best.test
    images = table["steps"] * table["P"] * table["K"]
    assert images[table["held_out"]].min() >= images[~table["held_out"]].max()


def test_where_one_k_alone_would_be_left_cells_of_each_k_are_held_out():
    table = points()
    few = table[(table["K"] == table["K"].min()) | (table["P"] == table["P"].max())]
    law = fit_joint_law(few, JointForm("theory", "none", True))
    held = law.test[law.test["held_out"]].groupby("K").size()
    assert held.to_dict() == {2: 5, 4: 1}  # of 16 and of 4 cells
    assert law.tested == 6 and law.error < 0.02


def test_forecasts_cover_cells_that_deviate_from_the_law():
    law_of_all = fit_joint_law(points(deviation=0.1), JointForm("theory", "none", True))
    assert law_of_all.coverage >= 0.8
    assert 0.03 < law_of_all.error < 0.25


def test_a_law_without_floor_is_off_where_there_is_one(laws):
    by_form = {law.form: law.error for law in laws}
    assert by_form["none", "none", True, False] > 2 * by_form["theory", "none", True, False]


def test_a_column_that_does_not_vary_is_left_out():
    table = points()
    fit = fit_joint_law(table[table["K"] == 2], JointForm("theory", "none", True)).fit
    assert "K" not in fit.alpha and set(fit.alpha) == {"steps", "P", "D", "aspect"}


def test_too_few_cells_have_no_law():
    table = points()
    with pytest.raises(ValueError, match=r"groups|depend"):
        fit_joint_laws(table[(table["P"] == 32) & (table["D"] == 32) & (table["K"] == 2)])


def late(P, D, K, steps):
    """A curve that sets in late where batches are small and dimensions many."""
    start = 40 * (P / 64) ** -0.7 * (D / 64) ** 1.2
    return expected_percent_error(P, D) + 1.5 * (steps + start) ** -0.4 * P**-0.1 * D**0.05 * K**-0.2


def test_an_offset_that_depends_on_the_cell_is_recovered():
    law = fit_joint_laws(points(late))[0]
    assert law.form == JointForm("theory", "free", aspect=False)
    assert law.fit.alpha["steps"] == pytest.approx(0.4, abs=0.02)
    for column, truth in (("P", -0.7), ("D", 1.2), ("K", 0.0)):
        low, high = law.fit.interval("s", column)
        assert low - 0.05 <= truth <= high + 0.05, column
    shifted = law.shifted(100.0, 64, 64, 2)
    assert shifted == pytest.approx(140, rel=0.05)
    table = law_table({"mmcr": [law]}).set_index("column")
    assert table.loc["D", "s_low"] <= 1.2 <= table.loc["D", "s_high"]
    assert np.isnan(table.loc["steps", "s"]) and table["s0"].nunique() == 1


def test_views_by_formula_come_first_where_they_predict_better():
    rng, cells = np.random.default_rng(0), {}
    for P in (32, 64, 128):
        for D in (32, 64, 128):
            for K in (2, 3, 4, 16):
                level = expected_percent_error(P, D)
                error = (level + (1 - 1 / K) * 2 * STEPS**-0.3) * np.exp(0.003 * rng.standard_normal(COUNT))
                cells["mmcr", P, D, K] = Cell(STEPS, error, 0.003 * error, 9e-6 * np.eye(COUNT), [0] * COUNT, False)
    laws = fit_joint_laws(grid_points(cells))
    assert laws[0].form.by_formula and BY_FORMULA in laws[0].fit.alpha
    assert laws[0].fit.alpha["K"] == pytest.approx(0, abs=0.01)
    assert laws[0].error < laws[1].error


def test_nine_cells_are_enough_to_see_an_offset():
    rng, cells = np.random.default_rng(1), {}
    for P in (64, 128, 256):
        for D in (64, 128, 256):
            error = late(P, D, 2, STEPS) * np.exp(0.01 * rng.standard_normal(COUNT))
            cells["mmcr", P, D, 2] = Cell(STEPS, error, 0.01 * error, 1e-4 * np.eye(COUNT), [0] * COUNT, False)
    law = fit_joint_laws(grid_points(cells))[0]
    assert (law.form.irreducible, law.form.offset) == ("theory", "free")
    low, high = law.fit.interval("alpha", "steps")
    assert low - 0.02 <= 0.4 <= high + 0.02 and law.chi_square < 2
