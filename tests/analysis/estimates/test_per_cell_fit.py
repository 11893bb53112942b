"""The laws of cells, and the table of them."""

import numpy as np
import pandas as pd
import pytest

from analysis.estimates.fit_data import Cell, measured_cells
from analysis.estimates.per_cell_fit import FORMS, PURE, choose, chosen_form, compare_forms, fit_table, laws_by_seed
from analysis.fitting.diagnostics import check_sets
from analysis.results.results import open_results
from mmcr_core.theory import expected_percent_error
from sweeps.storage.sweep_store import Store
from tests.synthetic import spec, write_run, write_sweep


def cell_of(curve, seeds=(0,)):
    x = np.geomspace(1e9, 1e13, 30)
    error = np.concatenate([curve(x) for _ in seeds])
    labels = np.repeat(seeds, len(x)).tolist()
    return Cell(np.tile(x, len(seeds)), error, 0 * error, np.zeros((len(error), len(error))), labels, False)


def test_axes_do_not_change_exponents(sweep):
    results = open_results(sweep)
    few = [dict(sorted(measured_cells(results, axis=axis).items())[::6]) for axis in ("flops", "seconds")]
    alphas = [fit_table(cells, axis)[0]["alpha"] for cells, axis in zip(few, ("flops", "seconds"), strict=True)]
    assert len(alphas[0]) == 3 * 6
    np.testing.assert_allclose(*alphas, rtol=1e-4)


def test_seeds_are_replicates_of_one_cell(tmp_path):
    store = write_sweep(tmp_path / "seeds", sizes=(64,), views=(2,), seeds=(0, 1, 2), steps=500, between=0.05)
    table, _ = fit_table(measured_cells(open_results(store.root)), "flops")
    assert table["seeds"].tolist() == [3] * 6
    one = write_sweep(tmp_path / "one", sizes=(64,), views=(2,), steps=500)
    alone, _ = fit_table(measured_cells(open_results(one.root)), "flops")
    assert np.diff(table[["A_low", "A_high"]])[0, 0] > 2 * np.diff(alone[["A_low", "A_high"]])[0, 0]


def test_errors_below_the_reference_have_no_law_above_it_and_say_so():
    level = expected_percent_error(64, 64)
    table, fits = fit_table({("mmcr", 64, 64, 2): cell_of(lambda x: 0.5 * level * (x / 1e9) ** -0.1)}, "flops")
    row = table[table["irreducible"] == "theory"].iloc[0]
    assert (
        row["failed_checks"] == ["below_baseline"]
        and "below e_inf" in row["reason"]
        and not row["trusted"]
        and np.isnan(row["alpha"])
    )
    assert ("mmcr", 64, 64, 2, "theory", "none") not in fits
    assert table.loc[table["chosen"], "irreducible"].tolist() == ["none"]  # the cell's model is selected without it


def test_the_right_floor_extrapolates_best_and_has_the_least_aicc():
    level, rng = expected_percent_error(64, 64), np.random.default_rng(0)
    curve = lambda x: (level + 0.5 * (x / 1e9) ** -0.3) * np.exp(0.005 * rng.standard_normal(len(x)))  # noqa: E731
    table, _ = fit_table({("mmcr", 64, 64, 2): cell_of(curve)}, "flops")
    by_floor = table[table["offset"] == "none"].set_index("irreducible")
    assert by_floor["aicc"].idxmin() == "theory"
    assert by_floor["extrapolation_error"].idxmin() in ("theory", "free")
    assert by_floor.loc["none", "extrapolation_error"] > 3 * by_floor.loc["theory", "extrapolation_error"]


def test_seeds_of_one_budget_have_no_law_over_budgets_and_say_so(tmp_path):
    store = write_sweep(tmp_path / "one", sizes=(64,), views=(2,), seeds=(0, 1, 2, 3), steps=100)
    table, fits = fit_table(measured_cells(open_results(store.root), "budget"), "flops", "budget")
    assert not fits and table["reason"].str.contains("too few points: 1 of at least").all()


def test_a_decaying_learning_rate_is_no_law_along_the_trajectory(tmp_path):
    store = Store(tmp_path / "cosine")
    key = write_run(store, spec(64, 64, 2, steps=400), 0.5 * np.arange(1.0, 401) ** -0.1)
    steps = pd.read_parquet(store.root / "trajectories" / key)
    steps["learning_rate"] = np.linspace(1e-3, 0, 400)
    store.write_chunk(key, 0, 399, {name: steps[name].to_numpy() for name in steps.columns if name != "run_id"})
    table, _ = fit_table(measured_cells(open_results(store.root)), "flops")
    assert not table["trusted"].any() and "learning rate decays" in table["reason"].iloc[0]
    assert all("learning_rate_decays" in names for names in table["failed_checks"])
    path = tmp_path / "fits.parquet"
    table.to_parquet(path)
    assert check_sets(pd.read_parquet(path)).tolist() == check_sets(table).tolist()


def test_errors_of_zero_are_left_out_of_a_law_in_logs(tmp_path):
    curve = 0.5 * np.arange(1.0, 401) ** -0.1
    curve[200] = 0.0
    store = Store(tmp_path / "zero")
    write_run(store, spec(64, 128, 2, steps=400), curve)
    table, _ = fit_table(measured_cells(open_results(store.root)), "flops")
    assert table.loc[table["irreducible"] == "none", "alpha"].iloc[0] == pytest.approx(0.1, rel=0.02)
    assert (
        not table["trusted"].any()
        and "error is 0 or not a number, which no law in logs can have: 1" in table["reason"].iloc[0]
    )


def grid_of(curve, noise=0.005, sizes=(16, 32, 64, 128)):
    """Cells whose noise is known."""
    rng, x, cells = np.random.default_rng(0), np.geomspace(1e9, 3e11, 22), {}
    for P in sizes:
        for D in sizes:
            error = curve(P, D, x) * np.exp(noise * rng.standard_normal(len(x)))
            cells["mmcr", P, D, 2] = Cell(x, error, noise * error, noise**2 * np.eye(len(x)), [0] * len(x), False)
    return cells


@pytest.mark.parametrize(
    ("curve", "form"),
    [
        (lambda P, D, x: 0.3 * (x / 1e9) ** -0.1, ("none", "none")),
        (lambda P, D, x: 0.4 * (x / 1e9 + 5) ** -0.2, ("none", "free")),
        (lambda P, D, x: expected_percent_error(P, D) + 0.2 * (x / 1e9) ** -0.4, ("theory", "none")),
        (lambda P, D, x: expected_percent_error(P, D) + 0.6 * (x / 1e9 + 6) ** -0.5, ("theory", "free")),
    ],
)
def test_the_form_that_made_the_cells_is_chosen_for_all_of_them(curve, form):
    table, _ = fit_table(grid_of(curve, sizes=(32, 64, 128)), "flops")
    assert table.groupby(["P", "D"])["chosen"].sum().tolist() == [1] * 9
    mine = table[table["chosen"]]
    assert set(zip(mine["irreducible"], mine["offset"], strict=True)) == {form} and chosen_form(table) == form
    assert mine["chi_square"].median() == pytest.approx(1, abs=0.35)
    assert mine["trusted"].all()


def test_a_cell_below_the_baseline_is_described_by_the_best_of_what_it_has():
    rows = [
        {"variant": "m", "P": 64, "D": D, "K": 2, "irreducible": irreducible, "offset": offset, "aicc": aicc}
        for D in (64, 128)
        for (irreducible, offset), aicc in zip(FORMS, (5, 1, 4, 3, 0, 2), strict=True)
        if D == 128 or irreducible != "theory"
    ]
    table = pd.DataFrame(rows).assign(alpha=0.1)
    chosen = table[choose(table)].set_index("D")
    assert (chosen.loc[128, "irreducible"], chosen.loc[128, "offset"]) == (
        "theory",
        "free",
    )
    assert (chosen.loc[64, "irreducible"], chosen.loc[64, "offset"]) == ("none", "free")


def test_laws_of_each_seed_are_fitted_by_themselves():
    x = np.geomspace(1e9, 1e12, 25)
    cell = Cell(
        np.tile(x, 2), np.concatenate([x**-0.1, x**-0.2]), np.zeros(50), np.zeros((50, 50)), [0] * 25 + [1] * 25, False
    )
    table = laws_by_seed({("mmcr", 64, 64, 2): cell}, (PURE,))
    assert table["alpha"].tolist() == pytest.approx([0.1, 0.2], abs=1e-6)


def test_forms_are_compared_on_and_off_the_diagonal():
    table, _ = fit_table(grid_of(lambda P, D, x: expected_percent_error(P, D) + 0.2 * (x / 1e9) ** -0.4), "flops")
    compared = compare_forms(table).set_index(["cells", "law"])
    assert compared.loc[("P = D", "e_inf + A x^-alpha"), "chosen"] == 4
    assert compared.loc[("P ≠ D", "e_inf + A x^-alpha"), "chosen"] == 12
    assert compared["cells of least AICc"].sum() == 16
    off = compared.loc["P ≠ D"]
    assert off["median held-out error"].idxmin() != "A x^-alpha" and off.loc["A x^-alpha", "median chi-square"] > 3
