"""What training changes: from the first batch to the end of a run."""

import pytest

from analysis.estimates.error_component_changes import factor_changes
from analysis.results.results import open_results
from tests import synthetic


def test_changes_are_those_from_the_first_batch_to_the_end(tmp_path):
    store = synthetic.write_sweep(tmp_path / "sweep", (64,), (2,), steps=200)
    results = open_results(store.root)
    found = factor_changes(results).iloc[0]
    steps, run = results.trajectories(), results.runs().iloc[0]
    assert found["reconstruction"] == pytest.approx(run["reconstruction"] - steps["reconstruction"][0])
    assert found["uniformity"] == pytest.approx(run["uniformity"] - steps["uniformity"][0])
    assert found["steps"] == 200
