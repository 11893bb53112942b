"""Verdicts: confirmed where the claim holds, refuted where it fails, undecided where the sweep cannot tell."""

import numpy as np
import pandas as pd
import pytest

from analysis.laws.cell_law import exponents_by_seed, floor_winners
from analysis.laws.diagonal_contrasts import contrast, rise_at_diagonal, slope_at_diagonal, survival
from analysis.laws.measured_cells import Cell
from analysis.laws.peak import peak_table
from analysis.pages.paper_claims import grid_claim, law_claim, peak_claim, slope_claim
from mmcr_core.theory import expected_percent_error

SIZES = (32, 64, 128, 256)


def runs(error, seeds=(0, 1, 2), noise=0.002):
    rng = np.random.default_rng(0)
    rows = [
        {"variant": "mmcr", "K": 2, "seed": seed, "P": P, "D": D, "run_id": f"{P}-{D}-{seed}",
         "percent_error": error(P, D) + noise * rng.standard_normal()}
        for P in SIZES for D in SIZES for seed in seeds
    ]  # fmt: skip
    return pd.DataFrame(rows)


def exponents(alpha, seeds=(0, 1, 2), noise=0.002):
    rng = np.random.default_rng(0)
    rows = [
        {"variant": "mmcr", "K": 2, "seed": seed, "P": P, "D": D, "floor": floor,
         "alpha": alpha(P, D, floor) + noise * rng.standard_normal()}
        for P in SIZES for D in SIZES for seed in seeds for floor in ("none", "theory")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def verdict(error, **options):
    table = runs(error, **options)
    return peak_claim(table, peak_table(table))


def test_a_peak_at_the_diagonal_is_confirmed():
    claim = verdict(expected_percent_error)
    assert claim.verdict == "confirmed"
    assert "over seeds" in claim.reason and "double_descent" in claim.figures


def test_a_peak_elsewhere_refutes_it():
    assert verdict(lambda P, D: expected_percent_error(P, 2 * D)).verdict == "refuted"


def test_a_valley_at_the_diagonal_is_no_rise():
    assert rise_at_diagonal(runs(lambda P, D: 0.3 - expected_percent_error(P, D))).high < 0


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_flat_errors_decide_nothing(seeds):
    assert verdict(lambda P, D: 0.2, seeds=seeds, noise=0.0 if len(seeds) == 1 else 0.005).verdict == "undecided"


def test_the_rise_is_that_above_the_neighbours_on_both_sides():
    rise = rise_at_diagonal(runs(expected_percent_error, noise=0.0))
    assert rise.mean == pytest.approx(expected_percent_error(1, 1) - expected_percent_error(1, 2))
    assert (rise.cells, rise.seeds, rise.over) == (2, 3, "seeds")  # the corners have neighbours on one side only


def test_a_contrast_is_students_t():
    units = pd.DataFrame({"cell": [1, 2, 3, 4], "seed": 0, "value": [0.1, 0.2, 0.3, 0.2]})
    ours = contrast(units)
    half = 3.1824463 * np.std(units["value"], ddof=1) / 2
    assert (ours.low, ours.high) == pytest.approx((0.2 - half, 0.2 + half))
    assert ours.effect == pytest.approx(0.2 / np.std(units["value"], ddof=1) * (1 - 3 / 11))
    assert ours.over == "cells"


def test_nothing_measured_is_no_contrast():
    empty = contrast(pd.DataFrame({"cell": [], "seed": [], "value": []}))
    assert empty.cells == 0 and np.isnan(empty.mean)


def test_shallow_diagonals_are_confirmed_and_their_survival_is_judged():
    lasting = exponents(lambda P, D, floor: 0.2 - 0.08 * (P == D))
    claim = slope_claim(lasting)
    assert claim.verdict == "confirmed" and "still are shallower" in claim.reason
    vanishing = exponents(lambda P, D, floor: 0.2 - 0.08 * (P == D) * (floor == "none"))
    claim = slope_claim(vanishing)
    assert claim.verdict == "confirmed" and "still are shallower there" not in claim.reason.replace("whether they ", "")
    assert survival(vanishing).low > 0


def test_steep_diagonals_refute_it_and_few_cells_decide_nothing():
    assert slope_claim(exponents(lambda P, D, floor: 0.2 + 0.08 * (P == D))).verdict == "refuted"
    table = exponents(lambda P, D, floor: 0.2)
    assert slope_claim(table).verdict == "undecided"
    assert slope_claim(table[(table["P"] == 64) & (table["D"] == 64)]).verdict == "undecided"


def test_the_slope_contrast_is_free_of_effects_of_p_and_d():
    table = exponents(lambda P, D, floor: 0.1 + 0.02 * np.log2(P) + 0.01 * np.log2(D), noise=0.0)
    corner_to_corner = slope_at_diagonal(table, "none")
    assert abs(corner_to_corner.mean) < 1e-9


def test_exponents_of_each_seed_are_fitted_by_themselves():
    x = np.geomspace(1e9, 1e12, 25)
    cell = Cell(
        np.tile(x, 2), np.concatenate([x**-0.1, x**-0.2]), np.zeros(50), np.zeros((50, 50)), [0] * 25 + [1] * 25, False
    )
    table = exponents_by_seed({("mmcr", 64, 64, 2): cell}, ("none",))
    assert table["alpha"].tolist() == pytest.approx([0.1, 0.2], abs=1e-6)


def test_floors_are_counted_on_and_off_the_diagonal():
    rows = [
        {"variant": "mmcr", "P": P, "D": D, "K": 2, "floor": floor, "aicc": a, "extrapolation_error": e}
        for P in (64, 128) for D in (64, 128)
        for floor, a, e in (("none", 3, 0.3), ("free", 2, 0.1), ("theory", 1 if P == D else 5, 0.2))
    ]  # fmt: skip
    table = floor_winners(pd.DataFrame(rows)).set_index(["cells", "best by"])
    assert table.loc[("P = D", "AICc"), "theory"] == 2 and table.loc[("P ≠ D", "AICc"), "free"] == 2
    assert table.loc[("P = D", "extrapolation"), "free"] == 2


def test_power_laws_are_confirmed_where_all_hold_and_refuted_where_most_bend():
    fits = pd.DataFrame({"floor": "none", "trusted": [True] * 3, "reason": "", "scale": 0.02})
    assert law_claim(fits).verdict == "confirmed"
    fits.loc[0, "trusted"], fits.loc[0, "reason"] = False, "only 3 points; at least 6 are needed"
    claim = law_claim(fits)
    assert claim.verdict == "undecided" and "only 3 points" in claim.reason
    fits["trusted"] = False
    fits["reason"] = "the residuals have structure (runs test, p = 3e-06): the points bend away from the law"
    assert law_claim(fits).verdict == "refuted"


def test_no_law_of_the_grid_is_undecided():
    assert grid_claim([]).verdict == "undecided"
