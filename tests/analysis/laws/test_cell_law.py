"""Cells measured along trajectories and over budgets, and the table of their laws."""

import numpy as np
import pandas as pd
import pytest

from analysis.laws.cell_law import fit_table
from analysis.laws.measured_cells import Cell, measured_cells, tail_errors
from analysis.reading.results import open_results
from mmcr_core.theory import expected_percent_error
from sweeps.storage.sweep_store import Store
from tests.synthetic import FLOPS, noise, spec, write_run, write_sweep


def cell_of(curve, seeds=(0,)):
    x = np.geomspace(1e9, 1e13, 30)
    error = np.concatenate([curve(x) for _ in seeds])
    labels = np.repeat(seeds, len(x)).tolist()
    return Cell(np.tile(x, len(seeds)), error, 0 * error, np.zeros((len(error), len(error))), labels, False)


@pytest.fixture(scope="module")
def budgets(tmp_path_factory):
    """Eight budgets, two seeds: final errors fall with exponent 0.25, trajectories otherwise."""
    store, rng = Store(tmp_path_factory.mktemp("budgets") / "b"), np.random.default_rng(0)
    for steps in (100, 200, 400, 800, 1600, 3200, 6400, 12800):
        for seed in (0, 1):
            final = 2.0 * (steps * FLOPS / 1e9) ** -0.25 * np.exp(0.01 * rng.standard_normal())
            curve = final * np.linspace(3, 1, steps) ** 0.3 * np.exp(noise(rng, steps, 0.01))
            curve[-max(1, steps // 20) :] = final
            write_run(store, spec(64, 128, 2, seed, steps=steps), np.minimum(curve, 0.99), wall_seconds=steps / 10)
    return open_results(store.root)


def test_the_law_over_budgets_is_that_of_final_errors(budgets):
    cells = measured_cells(budgets, "budget")
    assert list(cells) == [("mmcr", 64, 128, 2)]
    table, _ = fit_table(cells, "flops", "budget")
    row = table[table["floor"] == "none"].iloc[0]
    assert (row["law"], row["points"], row["seeds"]) == ("budget", 16, 2)
    assert row["alpha"] == pytest.approx(0.25, rel=0.05)
    assert row["alpha_low"] <= 0.25 <= row["alpha_high"]


def test_along_trajectories_each_budget_is_a_variant_of_its_own(budgets):
    assert len({key[0] for key in measured_cells(budgets, "trajectory")}) == 8


@pytest.mark.parametrize(
    ("axis", "last"), [("flops", 2000 * FLOPS), ("steps", 2000), ("images", 2000 * 64), ("seconds", 10.0)]
)
def test_axes_are_cumulative(sweep, axis, last):
    cells = measured_cells(open_results(sweep), axis=axis)
    assert cells["mmcr", 64, 64, 2].x[-1] == pytest.approx(last, rel=0.15)  # the mean of the last bin


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


def test_tail_errors_are_those_of_the_last_twentieth(sweep):
    errors = tail_errors(open_results(sweep))
    assert len(errors) == 18 and (errors > 0).all()
