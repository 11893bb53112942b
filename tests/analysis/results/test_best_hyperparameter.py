"""Of runs that differ in one swept setting, those that end lowest."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis.estimates.fit_data import measured_cells
from analysis.results.best_hyperparameter import best_over
from analysis.results.errors import ResultsError
from analysis.results.results import open_results
from sweeps.storage.sweep_store import Store
from tests.conftest import invoke
from tests.synthetic import spec, write_run


@pytest.fixture(scope="module")
def rates(tmp_path_factory):
    """Two seeds of two cells at two learning rates: the higher is better for large batches, by the mean of seeds."""
    store = Store(tmp_path_factory.mktemp("rates") / "rates")
    steps = np.arange(1.0, 201)
    for P in (64, 256):
        for rate in (1e-3, 3e-3):
            for seed in (0, 1):
                better = (P == 256) == (rate == 3e-3)
                level = 0.5 if better else 0.6 if seed else 0.49
                write_run(store, spec(P, 128, 2, seed, learning_rate=rate, steps=200), level * steps**-0.1)
    return store.root


def test_each_cell_takes_the_value_whose_seeds_end_lowest_on_average(rates):
    results = open_results(rates).best_over("optimizer.learning_rate")
    runs = results.runs()
    assert len(runs) == 4 and runs["variant"].unique().tolist() == ["mmcr"]
    assert all(('"learning_rate":0.003' in row.spec) == (row.P == 256) for row in runs.itertuples())
    assert {key[1:] for key in measured_cells(results)} == {(64, 128, 2), (256, 128, 2)}
    best = results.require_best()
    assert "0.001 in 1, 0.003 in 1 of 2 cells" in best.remarks[0]
    assert best.winners[["P", "optimizer.learning_rate", "seeds", "held_out"]].to_numpy().tolist() == [
        [64, 1e-3, 2, False],
        [256, 3e-3, 2, False],
    ]
    assert best.winners["standard_error"].tolist() == pytest.approx([0.0, 0.0]) and "biased low" in best.remarks[1]
    assert len(open_results(rates).runs()) == 8


def test_budgets_are_compared_at_the_best_value_too(rates):
    cells = measured_cells(open_results(rates).best_over("optimizer.learning_rate"), "budget")
    assert {key[0] for key in cells} == {"mmcr"}


def test_a_key_that_does_not_vary_is_refused_with_those_that_do(rates):
    with pytest.raises(ResultsError, match=r"does not vary over these runs; use optimizer.learning_rate"):
        open_results(rates).best_over("optimizer.name")
    with pytest.raises(ResultsError, match="'P' is an axis"):
        open_results(rates).best_over("P")
    with pytest.raises(ResultsError, match=r"does not vary over these runs; use optimizer.learning_rate"):
        open_results(rates).best_over("lr")


def test_a_cell_without_a_finished_run_keeps_all_its_runs(rates, tmp_path):
    store = Store(tmp_path / "s")
    for rate in (1e-3, 3e-3):
        write_run(store, spec(64, 128, 2, learning_rate=rate, steps=50), np.full(50, 0.3), status="diverged")
        write_run(store, spec(256, 128, 2, learning_rate=rate, steps=50), np.full(50, 0.3 + rate))
    runs = open_results(store.root).best_over("optimizer.learning_rate").runs()
    assert runs.groupby("P").size().to_dict() == {64: 2, 256: 1}


def test_commands_say_what_was_taken_and_refuse_what_does_not_vary(rates, tmp_path):
    ran = invoke("plot_scaling", rates, "-o", tmp_path, "--best-over", "optimizer.learning_rate")
    assert ran.returncode == 0 and "0.003 in 1 of 2 cells" in ran.stderr
    assert "the best optimizer.learning_rate of each cell" in ran.stderr and "biased low" in ran.stderr
    written = pd.read_csv(tmp_path / "best_over.csv")
    assert written[["P", "optimizer.learning_rate", "edge"]].to_numpy().tolist() == [
        [64, 1e-3, "smallest"],
        [256, 3e-3, "largest"],
    ]
    assert len(open_results(rates).fits()) == 2 * 6
    ran = invoke("plot_double_descent", rates, "-o", tmp_path, "--best-over", "views")
    assert ran.returncode == 2 and "does not vary" in ran.stderr and ran.stderr.count("\n") == 1


def write_cell(store, P, ends, statuses=None):
    """A run for each rate and seed, whose last error is as `ends` says: rate -> errors of seeds 0, 1, ..."""
    for rate, errors in ends.items():
        for seed, error in enumerate(errors):
            status = (statuses or {}).get(rate, "finished")
            write_run(store, spec(P, 128, 2, seed, learning_rate=rate, steps=50), np.full(50, error), status=status)


def test_with_three_seeds_some_choose_and_the_others_report(tmp_path):
    store = Store(tmp_path / "s")
    write_cell(store, 64, {1e-3: [0.30, 0.34, 0.32], 3e-3: [0.33, 0.29, 0.31]})
    (row,) = open_results(store.root).best_over("optimizer.learning_rate").require_best().winners.to_dict("records")
    # without seed 0 the second is better, without 1 the first, without 2 neither (0.32 and 0.31)
    reported = [0.33, 0.34, 0.31]
    assert row["held_out"] and row["seeds"] == 3
    assert row["optimizer.learning_rate"] == 3e-3 and row["shown_error"] == pytest.approx(0.31)
    assert row["error"] == pytest.approx(np.mean(reported)) and row["error"] > row["shown_error"]
    assert row["standard_error"] == pytest.approx(np.std(reported, ddof=1) / np.sqrt(3))


def test_an_error_that_was_not_held_out_is_biased_low_and_a_held_out_one_is_not():
    """Of values that are all alike the winner's own error is too low, the held-out one right: 300 cells."""
    errors = np.random.default_rng(0).normal(0.3, 0.02, (300, 4, 3))
    rows = [
        {"P": cell, "D": 1, "K": 1, "seed": seed, "status": "finished", "percent_error": error}
        | {"spec": json.dumps({"objective": {"name": "mmcr"}, "optimizer": {"learning_rate": value}})}
        for (cell, seed, value), error in np.ndenumerate(errors)
    ]
    table = best_over(pd.DataFrame(rows), "optimizer.learning_rate").winners
    own, held_out = table["shown_error"], table["error"]
    assert len(table) == 300 and own.mean() < 0.3 - 4 * own.std() / np.sqrt(300)
    assert held_out.mean() == pytest.approx(0.3, abs=4 * held_out.std() / np.sqrt(300))


def test_nothing_below_zero_is_to_be_tried(tmp_path):
    store = Store(tmp_path / "s")
    write_cell(store, 64, {0.0: [0.3], 1e-3: [0.4]})
    best = open_results(store.root).best_over("optimizer.learning_rate").require_best()
    assert best.winners["edge"].tolist() == [""]
    assert not [text for text in best.remarks if text.startswith("warning")]


def test_a_best_value_at_the_edge_of_what_was_tried_is_warned_of(tmp_path):
    store = Store(tmp_path / "s")
    write_cell(store, 64, {1e-3: [0.3], 3e-3: [0.4], 1e-2: [0.5]})
    write_cell(store, 128, {1e-3: [0.4], 3e-3: [0.3], 1e-2: [0.5]})
    write_cell(store, 256, {1e-3: [0.4], 3e-3: [0.3], 1e-2: [0.9]}, {1e-2: "diverged"})  # tried, and no better
    best = open_results(store.root).best_over("optimizer.learning_rate").require_best()
    assert best.winners["edge"].tolist() == ["smallest", "", ""] and best.winners["tried"].tolist() == [3, 3, 3]
    assert best.winners["standard_error"].isna().all()
    (warning,) = [text for text in best.remarks if text.startswith("warning")]
    assert warning == (
        "warning: in 1 of 3 cells the best optimizer.learning_rate is the smallest that was tried, such as 0.001 at "
        "P = 64, D = 128, K = 2; try smaller ones"
    )
