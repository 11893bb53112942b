"""The laws of cells, and the table of them."""

import numpy as np
import pandas as pd
import pytest

from analysis.laws.cell_law import exponents_by_seed, fit_table, floor_winners
from analysis.laws.measured_cells import Cell, measured_cells
from analysis.reading.results import open_results
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
    alphas = [fit_table(measured_cells(results, axis=axis), axis)[0]["alpha"] for axis in ("flops", "seconds")]
    np.testing.assert_allclose(*alphas, rtol=1e-4)


def test_seeds_are_replicates_of_one_cell(tmp_path):
    store = write_sweep(tmp_path / "seeds", sizes=(64,), views=(2,), seeds=(0, 1, 2), steps=500, between=0.05)
    table, _ = fit_table(measured_cells(open_results(store.root)), "flops")
    assert table["seeds"].tolist() == [3, 3, 3]
    one = write_sweep(tmp_path / "one", sizes=(64,), views=(2,), steps=500)
    alone, _ = fit_table(measured_cells(open_results(one.root)), "flops")
    assert np.diff(table[["A_low", "A_high"]])[0, 0] > 2 * np.diff(alone[["A_low", "A_high"]])[0, 0]


def test_errors_below_the_reference_have_no_law_above_it_and_say_so():
    level = expected_percent_error(64, 64)
    table, fits = fit_table({("mmcr", 64, 64, 2): cell_of(lambda x: 0.5 * level * (x / 1e9) ** -0.1)}, "flops")
    row = table[table["floor"] == "theory"].iloc[0]
    assert "below e_inf" in row["reason"] and not row["trusted"] and np.isnan(row["alpha"])
    assert ("mmcr", 64, 64, 2, "theory") not in fits


def test_the_right_floor_extrapolates_best_and_has_the_least_aicc():
    level, rng = expected_percent_error(64, 64), np.random.default_rng(0)
    curve = lambda x: (level + 0.5 * (x / 1e9) ** -0.3) * np.exp(0.005 * rng.standard_normal(len(x)))  # noqa: E731
    table, _ = fit_table({("mmcr", 64, 64, 2): cell_of(curve)}, "flops")
    by_floor = table.set_index("floor")
    assert by_floor["aicc"].idxmin() == "theory"
    assert by_floor["extrapolation_error"].idxmin() in ("theory", "free")
    assert by_floor.loc["none", "extrapolation_error"] > 3 * by_floor.loc["theory", "extrapolation_error"]


def test_a_decaying_learning_rate_is_no_law_along_the_trajectory(tmp_path):
    store = Store(tmp_path / "cosine")
    key = write_run(store, spec(64, 64, 2, steps=400), 0.5 * np.arange(1.0, 401) ** -0.1)
    steps = pd.read_parquet(store.root / "trajectories" / key)
    steps["learning_rate"] = np.linspace(1e-3, 0, 400)
    store.write_chunk(key, 0, 399, {name: steps[name].to_numpy() for name in steps.columns if name != "run_id"})
    table, _ = fit_table(measured_cells(open_results(store.root)), "flops")
    assert not table["trusted"].any()
    assert "learning rate decays" in table["reason"].iloc[0]


def test_errors_of_zero_are_left_out_of_a_law_in_logs(tmp_path):
    curve = 0.5 * np.arange(1.0, 401) ** -0.1
    curve[200] = 0.0
    store = Store(tmp_path / "zero")
    write_run(store, spec(64, 128, 2, steps=400), curve)
    table, _ = fit_table(measured_cells(open_results(store.root)), "flops")
    assert table.loc[table["floor"] == "none", "alpha"].iloc[0] == pytest.approx(0.1, rel=0.02)


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
