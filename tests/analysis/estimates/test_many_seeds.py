"""Cells of many seeds: as few points as cells of few, and the same law."""

import pandas as pd
import pytest

from analysis.estimates.fit_data import MOST_CURVES, binned_cells
from analysis.estimates.per_cell_fit import fit_cell, fit_table
from analysis.results.results import open_results
from tests.synthetic import exponent, law, write_sweep


def lower(P, D, K, flops):
    return 0.8 * law(P, D, K, flops)


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeds")
    counts = {"few": MOST_CURVES, "many": 5 * MOST_CURVES}
    stores = {
        name: write_sweep(folder / name, (64,), (2,), tuple(range(count)), steps=400, between=0.05, curve=lower)
        for name, count in counts.items()
    }
    return {name: binned_cells(open_results(store.root)) for name, store in stores.items()}


def test_seeds_are_pooled_to_mean_curves_of_less_noise(cells):
    (few,), (many,) = (found.values() for found in cells.values())
    assert len(few.x) == len(many.x) and len(set(many.seeds)) == MOST_CURVES
    assert (few.replicates, many.replicates) == (MOST_CURVES, 5 * MOST_CURVES)
    assert many.error_se.mean() == pytest.approx(few.error_se.mean() / 5**0.5, rel=0.05)
    spread = {name: pd.Series(one.error).groupby(one.x).std().mean() for name, one in (("few", few), ("many", many))}
    assert spread["many"] < 0.7 * spread["few"]


def test_the_law_is_that_of_all_seeds(cells):
    ((key, cell),) = cells["many"].items()
    fit = fit_cell(cell, key[1], key[2], "none")
    low, high = fit.interval("alpha")
    assert low < exponent(64, 64) < high and high - low < 0.02
    table, _ = fit_table(cells["many"], "flops")
    assert set(table["seeds"]) == {5 * MOST_CURVES}
