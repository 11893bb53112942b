"""Paths of objectives and how they differ, from stores with known curves."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import open_results
from analysis.comparisons.objective_differences import at_the_end, describe_differences, differences
from analysis.comparisons.objective_trajectories import measured_paths, paths
from mmcr_core.objectives import objective_spec
from sweeps.storage.sweep_store import Store
from tests import synthetic

STEPS = 300
HEIGHTS = {"mmcr": 0.2, "simclr": 0.4, "vicreg": 0.2}
SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Errors fall as HEIGHTS (1 + 0.01 seed) step^-0.1; kNN accuracy is 0.9, less 0.1 and less where a seed is higher
    for simclr."""
    store = Store(tmp_path_factory.mktemp("objectives"))
    for name, height in HEIGHTS.items():
        for seed in SEEDS:
            run = dataclasses.replace(synthetic.spec(64, 32, 2, seed, steps=STEPS), objective=objective_spec(name))
            curve = height * (1 + 0.01 * seed) * np.arange(1.0, STEPS + 1) ** -0.1
            run_id = synthetic.write_run(store, run, curve, objective=name)
            accuracy = 0.9 - (0.1 + 0.01 * seed if name == "simclr" else 0.0)
            for step, value in ((0, 0.5), (STEPS, accuracy)):
                measure = {"name": "knn_accuracy", "subject": "", "value": value, "low": value - 0.1, "high": 1.0}
                done = {"images": step * 64, "flops": step * synthetic.FLOPS, "count": 100}
                store.write_measures(run_id, step, [measure | done])
    return open_results(store.root)


def test_paths_are_means_over_seeds_with_students_interval(results):
    table = paths(results)
    assert set(table["variant"]) == set(HEIGHTS) and set(table["seeds"]) == {3}
    first = table[table["variant"] == "mmcr"].iloc[0]
    values = 0.2 * (1 + 0.01 * np.array(SEEDS))
    assert first["flops"] == synthetic.FLOPS and first["percent_error"] == pytest.approx(values.mean())
    half = stats.t.ppf(0.975, 2) * values.std(ddof=1) / np.sqrt(3)
    assert first["percent_error_high"] - first["percent_error"] == pytest.approx(half)
    assert first["reconstruction"] == pytest.approx(np.sqrt(1 - values).mean())
    for _, path in table.groupby("variant"):
        assert path["flops"].is_monotonic_increasing and path["percent_error"].is_monotonic_decreasing


def test_measures_are_paths_from_the_untrained_network_on(results):
    table = measured_paths(results)
    simclr = table[table["variant"] == "simclr"].set_index("step")
    assert simclr.loc[0, "value"] == 0.5 and simclr.loc[0, "flops"] == 0
    assert simclr.loc[STEPS, "value"] == pytest.approx(0.79)
    assert simclr.loc[STEPS, "value_low"] < 0.79 < simclr.loc[STEPS, "value_high"]


def test_a_store_without_measures_has_no_measured_paths(tmp_path):
    store = synthetic.write_sweep(tmp_path, (64,), (2,), steps=40)
    assert measured_paths(open_results(store.root)).empty


def test_differences_are_over_pairs_of_the_same_seed(results):
    table = differences(results).set_index(["variant", "quantity"])
    assert set(table["less"]) == {"mmcr"} and set(table["pairs"]) == {3}
    simclr = table.loc[("simclr", "knn_accuracy")]
    apart = -(0.1 + 0.01 * np.array(SEEDS))
    half = stats.t.ppf(0.975, 2) * apart.std(ddof=1) / np.sqrt(3)
    assert simclr["difference"] == pytest.approx(apart.mean())
    assert (simclr["low"], simclr["high"]) == (pytest.approx(apart.mean() - half), pytest.approx(apart.mean() + half))
    assert table.loc[("vicreg", "percent_error"), "difference"] == pytest.approx(0, abs=1e-12)
    ends = at_the_end(results)
    assert set(ends["quantity"]) == {"percent_error", "reconstruction", "uniformity", "knn_accuracy"}


def test_what_is_clearly_different_is_said_and_what_is_not(results):
    simclr, vicreg = describe_differences(differences(results))
    assert simclr.startswith("SimCLR against MMCR, 3 pairs of runs – higher: pretraining percent error +0.1")
    assert "lower: kNN accuracy -0.110 (-0.135 to -0.085)" in simclr
    assert "higher" not in vicreg and "not clearly different" in vicreg


def test_one_seed_gives_differences_without_intervals():
    rows = [("b", "a", "percent_error", 1, 0.1, np.nan, np.nan)]
    table = pd.DataFrame(rows, columns=["variant", "less", "quantity", "pairs", "difference", "low", "high"])
    assert describe_differences(table) == [
        "b against a, 1 pair of runs – not clearly different: pretraining percent error +0.100."
    ]
