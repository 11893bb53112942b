"""Cells measured along trajectories and over budgets."""

import numpy as np
import pytest

from analysis.estimates.fit_data import measured_cells, tail_errors
from analysis.estimates.per_cell_fit import fit_table
from analysis.results.results import open_results
from sweeps.storage.sweep_store import Store
from tests.synthetic import FLOPS, noise, spec, write_run


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
    row = table[table["irreducible"] == "none"].iloc[0]
    assert (row["law"], row["points"], row["seeds"]) == ("budget", 16, 2)
    assert row["alpha"] == pytest.approx(0.25, rel=0.05)
    assert row["alpha_low"] <= 0.25 <= row["alpha_high"]


@pytest.mark.parametrize("wrong", [{"axis": "flop"}, {"law": "budgets"}])
def test_an_unknown_axis_or_law_is_refused(budgets, wrong):
    with pytest.raises(ValueError, match="is unknown; use one of"):
        measured_cells(budgets, **wrong)


def test_along_trajectories_each_budget_is_a_variant_of_its_own(budgets):
    assert len({key[0] for key in measured_cells(budgets, "trajectory")}) == 8


@pytest.mark.parametrize(
    ("axis", "last"), [("flops", 2000 * FLOPS), ("steps", 2000), ("images", 2000 * 64), ("seconds", 10.0)]
)
def test_axes_are_cumulative(sweep, axis, last):
    cells = measured_cells(open_results(sweep), axis=axis)
    assert cells["mmcr", 64, 64, 2].x[-1] == pytest.approx(last, rel=0.15)  # the mean of the last bin


def test_tail_errors_are_those_of_the_last_twentieth(sweep):
    errors = tail_errors(open_results(sweep))
    assert len(errors) == 18 and (errors > 0).all()
