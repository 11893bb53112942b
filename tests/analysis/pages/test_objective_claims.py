"""MMCR against other objectives: highest bound on information, and no less accuracy than any."""

import numpy as np
import pandas as pd
import pytest

from analysis.pages.objective_claims import families_claim, information_claim


def apart(quantity, half=0.01, pairs=5, less="mmcr", **others):
    rows = [
        {"variant": name, "less": less, "quantity": quantity, "pairs": pairs, "difference": value,
         "low": value - half, "high": value + half}
        for name, value in others.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("swav", "verdict"), [(-0.2, "confirmed"), (0.005, "undecided"), (0.2, "refuted")])
def test_the_bound_must_be_clearly_above_that_of_every_other(swav, verdict):
    claim = information_claim(apart("mutual_information_bound", simclr=-0.4, swav=swav))
    assert claim.verdict == verdict and f"{-swav:+.2f} nats" in claim.number and "swav" in claim.number


@pytest.mark.parametrize(
    ("byol", "half", "verdict"),
    [(-0.05, 0.005, "confirmed"), (0.005, 0.005, "confirmed"), (0.005, 0.05, "undecided"), (0.1, 0.01, "refuted")],
)
def test_matching_means_within_a_margin_and_beaten_means_clearly(byol, half, verdict):
    claim = families_claim(apart("knn_accuracy", half, pairs=30, simclr=-0.05, byol=byol))
    assert claim.verdict == verdict


def test_what_many_comparisons_find_by_chance_refutes_nothing():
    alone = families_claim(apart("knn_accuracy", 0.01, vicreg=0.011))
    many = families_claim(apart("knn_accuracy", 0.01, **{f"other_{i}": 0.0 for i in range(27)}, vicreg=0.011))
    assert alone.verdict == "refuted" and many.verdict == "undecided"
    assert "behind in 1 of 28 comparisons one by one, in 0 and 0 jointly" in many.number


def test_the_control_is_no_family_and_others_than_mmcr_are_not_judged():
    assert families_claim(apart("knn_accuracy", alignment=-0.5)).verdict == "not tested"
    assert information_claim(apart("mutual_information_bound", less="simclr", swav=-0.5)).verdict == "not tested"
    assert families_claim(apart("knn_accuracy", np.nan, pairs=1, simclr=-0.5)).verdict == "not tested"
