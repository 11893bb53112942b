"""Gains over the untrained network with the wider of two intervals."""

import numpy as np
import pytest
from scipy import stats

from analysis import open_results
from analysis.comparisons.gain_over_untrained import COLUMNS, gains
from sweeps.storage.sweep_store import Store
from tests import synthetic

VALUES = {"knn_gain": (0.10, 0.11, 0.12), "linear_gain": (0.01, 0.10, 0.04)}
HALF = 0.03  # of each run's own interval


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("gains"))
    for seed in range(3):
        run_id = synthetic.write_run(store, synthetic.spec(64, 32, 2, seed, steps=50), np.full(50, 0.3))
        for step, scale in ((10, 0.5), (50, 1.0)):
            rows = [{"name": name, "subject": "5 labels a class", "value": scale * values[seed],
                     "low": values[seed] - HALF, "high": values[seed] + HALF, "images": 0, "flops": 0.0, "count": 360}
                    for name, values in VALUES.items()]  # fmt: skip
            store.write_measures(run_id, step, rows)
    return open_results(store.root)


def test_a_gain_is_that_of_the_end_with_the_wider_interval(results):
    table = gains(results).set_index("probe")
    knn, linear = table.loc["knn"], table.loc["linear"]
    assert (knn["gain"], knn["low"], knn["high"]) == pytest.approx((0.11, 0.11 - HALF, 0.11 + HALF))
    half = stats.t.ppf(0.975, 2) * np.std(VALUES["linear_gain"], ddof=1) / np.sqrt(3)
    assert half > HALF and (linear["low"], linear["high"]) == pytest.approx((0.05 - half, 0.05 + half))
    assert knn["above_untrained"] and not linear["above_untrained"]
    assert set(table["labels"]) == {"5 labels a class"} and set(table["seeds"]) == {3}


def test_a_sweep_that_measured_no_gain_has_none(tmp_path):
    table = gains(open_results(synthetic.write_sweep(tmp_path, (64,), (2,), steps=40).root))
    assert table.empty and list(table.columns) == COLUMNS
