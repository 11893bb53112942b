"""Every step's percent error in [0, 1]; reconstruction and uniformity at the end against those before training."""

import pandas as pd
import pytest

from analysis.laws.factor_changes import factor_changes
from analysis.pages.factor_claims import align_and_spread_claim, range_claim
from analysis.reading.results import open_results
from tests import synthetic


def changes(reconstruction, uniformity, largest=0.6):
    rows = [
        {"variant": "mmcr", "P": 16, "D": D, "K": 2, "seed": seed, "steps": 10, "least": 0.1, "largest": largest,
         "reconstruction": reconstruction + 0.01 * seed, "uniformity": uniformity - 0.01 * seed}
        for D in (16, 32) for seed in (0, 1, 2)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_changes_are_those_from_the_first_batch_to_the_end(tmp_path):
    store = synthetic.write_sweep(tmp_path / "sweep", (64,), (2,), steps=200)
    results = open_results(store.root)
    found = factor_changes(results).iloc[0]
    steps, run = results.trajectories(), results.runs().iloc[0]
    assert found["reconstruction"] == pytest.approx(run["reconstruction"] - steps["reconstruction"][0])
    assert (found["least"], found["largest"]) == (steps["percent_error"].min(), steps["percent_error"].max())
    assert found["steps"] == 200


@pytest.mark.parametrize(("largest", "verdict"), [(0.6, "confirmed"), (1.01, "refuted")])
def test_one_step_outside_of_the_range_refutes_it(largest, verdict):
    claim = range_claim(changes(0.1, 0.1, largest))
    assert claim.verdict == verdict and "60 steps of 6 runs" in claim.number


@pytest.mark.parametrize(
    ("reconstruction", "uniformity", "verdict"),
    [(0.1, 0.2, "confirmed"), (0.1, -0.2, "refuted"), (0.0, 0.2, "undecided")],
)
def test_both_factors_must_rise(reconstruction, uniformity, verdict):
    assert align_and_spread_claim(changes(reconstruction, uniformity)).verdict == verdict


def test_one_run_decides_nothing():
    claim = align_and_spread_claim(changes(0.1, 0.1).head(1))
    assert (claim.verdict, claim.number) == ("undecided", "")
