"""Which measures go with the percent error."""

import numpy as np
import pytest

from analysis import open_results
from analysis.estimates.metric_correlation import beside_the_error, tracking
from sweeps.storage.sweep_store import Store
from tests import synthetic

STEPS = (0, 10, 30, 100)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Capacity rises as the error falls; alignment does so in one run and not in the other; a probe made once."""
    store = Store(tmp_path_factory.mktemp("tracking"))
    for seed in (0, 1):
        run_id = synthetic.write_run(store, synthetic.spec(64, 32, 2, seed, steps=100), np.full(100, 0.3))
        for i, step in enumerate(STEPS):
            error = 0.5 - 0.1 * i
            values = {
                ("heldout_percent_error", ""): error,
                ("capacity", "views"): 1 / error,
                ("alignment", ""): -error if seed else error,
                ("effective_rank", ""): None,
            }
            if step == 100:
                values |= {("knn_accuracy", ""): 0.9}
            rows = [{"name": name, "subject": subject, "value": value, "low": None, "high": None,
                     "images": step, "flops": float(step), "count": 1}
                    for (name, subject), value in values.items()]  # fmt: skip
            store.write_measures(run_id, step, rows)
    return open_results(store.root)


def test_measures_stand_beside_the_error_of_the_same_step(results):
    table = beside_the_error(results)
    capacity = table[table["name"] == "capacity"]
    assert len(capacity) == 8 and np.allclose(capacity["value"] * capacity["error"], 1)
    assert "heldout_percent_error" not in set(table["name"]) and "effective_rank" not in set(table["name"])


def test_ranks_are_along_each_run_and_what_was_measured_once_says_nothing(results):
    table = tracking(beside_the_error(results)).set_index("name")
    assert set(table.index) == {"capacity", "alignment"}
    assert table.loc["capacity", ["runs", "rank_correlation", "least", "largest"]].tolist() == [2, -1, -1, -1]
    assert table.loc["alignment", ["rank_correlation", "least", "largest"]].tolist() == [0, -1, 1]
