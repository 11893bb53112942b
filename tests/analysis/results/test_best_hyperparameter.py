"""Of runs that differ in one swept setting, those that end lowest."""

import numpy as np
import pytest

from analysis.estimates.fit_data import measured_cells
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
    assert "0.001 in 1, 0.003 in 1 of 2 cells" in results.remark
    assert len(open_results(rates).runs()) == 8


def test_budgets_are_compared_at_the_best_value_too(rates):
    cells = measured_cells(open_results(rates).best_over("optimizer.learning_rate"), "budget")
    assert {key[0] for key in cells} == {"mmcr"}


def test_a_key_that_does_not_vary_is_refused_with_those_that_do(rates):
    with pytest.raises(ResultsError, match=r"does not vary over these runs; use optimizer.learning_rate"):
        open_results(rates).best_over("optimizer.name").runs()
    with pytest.raises(ResultsError, match="'P' is an axis"):
        open_results(rates).best_over("P").runs()


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
    assert len(open_results(rates).fits()) == 2 * 6
    ran = invoke("plot_double_descent", rates, "-o", tmp_path, "--best-over", "views")
    assert ran.returncode == 2 and "does not vary" in ran.stderr and ran.stderr.count("\n") == 1
