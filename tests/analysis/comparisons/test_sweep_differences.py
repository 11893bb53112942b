"""Differences between sweeps: of the known size, with intervals that mean what they say."""

import numpy as np
import pytest

from analysis.comparisons.sweep_differences import differences, gather, settings
from analysis.estimates.fit_data import measured_cells
from analysis.estimates.per_cell_fit import fit_table
from analysis.pages.sweep_comparison import sentences
from analysis.results.results import open_results
from sweeps.storage.sweep_store import Store
from tests.synthetic import FLOPS, law, spec, write_run


def sweep_of(root, factor, rate, seeds=(0, 1, 2)):
    store, rng = Store(root), np.random.default_rng(int(1000 * factor))
    for P in (64, 128):
        for seed in seeds:
            level = factor * np.exp(0.02 * rng.standard_normal())
            curve = level * law(P, 64, 2, np.arange(1, 801) * FLOPS) * np.exp(0.01 * rng.standard_normal(800))
            write_run(store, spec(P, 64, 2, seed, learning_rate=rate, steps=800), curve)
    return open_results(store.root)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    return [sweep_of(folder / "slow", 1.0, 1e-3), sweep_of(folder / "fast", 0.8, 3e-3)]


def test_the_difference_is_the_second_less_the_first(pair):
    cells = {}
    for results, name in zip(pair, ("slow", "fast"), strict=True):
        cells |= {(name, *key[1:]): cell for key, cell in measured_cells(results).items()}
    table = differences(gather(pair), fit_table(cells, "flops")[1])
    assert table["pair"].unique().tolist() == ["fast less slow"]
    for row in table.itertuples():
        base = law(row.P, 64, 2, np.arange(760, 801) * FLOPS).mean()
        assert row.percent_error == pytest.approx(-0.2 * base, rel=0.25)
        assert row.percent_error_low < -0.2 * base < row.percent_error_high
        assert row.alpha_low < 0 < row.alpha_high
        assert row.seeds == 3
    assert "clearly lower in 2" in sentences(table)[0]


def test_seeds_of_equal_accuracy_have_no_interval(pair):
    runs = gather(pair)
    accuracy = runs["variant"].map({name: 0.5 + 0.1 * i for i, name in enumerate(runs["variant"].unique())})
    table = differences(runs.assign(probe_accuracy=accuracy), {})
    assert table["probe_accuracy"].to_numpy() == pytest.approx(0.1) and table["percent_error_low"].notna().all()
    assert "probe_accuracy_low" not in table
    said = " ".join(sentences(table))
    assert "probe accuracy: +0.1000 on average" in said and "interval" not in said and said.endswith("over 2 cells.")


def test_settings_that_differ_are_named(pair):
    table = settings(pair).set_index("setting")
    assert table.index.tolist() == ["optimizer.learning_rate"]
    assert table.iloc[0].tolist() == ["0.001", "0.003"]


def test_variants_within_a_sweep_are_told_apart(tmp_path, pair):
    both = Store(tmp_path / "both")
    for rate in (1e-3, 3e-3):
        write_run(both, spec(64, 64, 2, learning_rate=rate, steps=100), np.full(100, 0.3))
    runs = gather([open_results(both.root), pair[0]])
    rates = {f"both: mmcr, optimizer.learning_rate={rate}" for rate in (0.001, 0.003)}
    assert set(runs["variant"]) == rates | {"slow"}
