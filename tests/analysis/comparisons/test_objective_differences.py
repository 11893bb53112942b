"""Pairs of runs of two objectives: intervals over seeds, and over test images."""

import dataclasses

import numpy as np
import pytest

from analysis import open_results
from analysis.comparisons.objective_differences import describe_differences, differences
from analysis.verdicts.claims.objectives import judge_accuracy
from analysis.verdicts.evidence import Evidence
from mmcr_core.evaluation.confidence_intervals import share_of
from mmcr_core.objectives import objective_spec
from sweeps.storage.sweep_store import Store
from tests import synthetic

HITS = {"mmcr": {"knn_accuracy": (6, 6), "linear_accuracy": (4, 3)},
        "simclr": {"knn_accuracy": (6, 6), "linear_accuracy": (5, 4)}}  # fmt: skip
IMAGES = 6


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two objectives, two seeds, two probes on six test images."""
    store = Store(tmp_path_factory.mktemp("six_images"))
    for name, probes in HITS.items():
        for seed in (0, 1):
            run = dataclasses.replace(synthetic.spec(64, 64, 2, seed, steps=40), objective=objective_spec(name))
            curve = 0.3 * np.arange(1.0, 41.0) ** -0.05 + 0.01 * seed
            run_id = synthetic.write_run(store, run, curve, objective=name)
            shares = [share_of(probe, np.arange(IMAGES) < hits[seed]) for probe, hits in probes.items()]
            store.write_measures(
                run_id, 40, [dataclasses.asdict(one) | {"images": 2560, "flops": 4e10} for one in shares]
            )
    return open_results(store.root)


def test_pairs_that_tie_have_no_interval_over_seeds_and_one_over_images(results):
    found = differences(results).set_index("quantity")
    knn, linear = found.loc["knn_accuracy"], found.loc["linear_accuracy"]
    assert knn["difference"] == 0 and linear["difference"] == pytest.approx(1 / 6)
    assert found.loc[["knn_accuracy", "linear_accuracy"], ["low", "high"]].isna().all(axis=None)
    assert found.loc["percent_error", ["images_low", "images_high"]].isna().all()
    short = share_of("", np.full(IMAGES, True)).low  # Wilson: 0.61
    assert (knn["images_low"], knn["images_high"]) == pytest.approx((short - 1, 1 - short))
    assert linear["images_low"] < 0 < 1 / 6 < linear["images_high"]


def test_ties_are_neither_higher_nor_lower_and_confirm_no_claim(results):
    (sentence,) = describe_differences(differences(results))
    assert "not clearly different" in sentence and "kNN accuracy +0.000" in sentence.partition("not clearly")[2]
    assert "linear accuracy +0.167" in sentence.partition("not clearly")[2] and "nan" not in sentence
    verdict = judge_accuracy(Evidence(results.analysis, ["mmcr"]))
    assert verdict.decision == "undecided" and verdict.effect.over == "test images, jointly"
