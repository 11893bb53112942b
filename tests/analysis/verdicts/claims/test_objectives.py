"""MMCR against other objectives: largest bound on information, and no less accuracy than any."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from analysis.verdicts.claims.objectives import judge_accuracy, judge_information


def apart(quantity, half=0.01, pairs=5, less="mmcr", images=0.0, **others):
    rows = [
        {"variant": name, "objective": name, "less": less, "less_objective": less, "quantity": quantity,
         "pairs": pairs, "difference": value, "low": value - half, "high": value + half,
         "images_low": value - images, "images_high": value + images}
        for name, value in others.items()
    ]  # fmt: skip
    return SimpleNamespace(differences=pd.DataFrame(rows))


@pytest.mark.parametrize(("swav", "decision"), [(-0.2, "confirmed"), (0.005, "undecided"), (0.2, "refuted")])
def test_the_bound_must_be_clearly_above_that_of_every_other(swav, decision):
    verdict = judge_information(apart("mutual_information_bound", simclr=-0.4, swav=swav))
    assert verdict.decision == decision and verdict.effect.value == -swav and "SwAV" in verdict.effect.what


@pytest.mark.parametrize(
    ("byol", "half", "decision"),
    [(-0.05, 0.005, "confirmed"), (0.005, 0.005, "confirmed"), (0.005, 0.05, "undecided"), (0.1, 0.01, "refuted")],
)
def test_matching_means_within_a_margin_and_beaten_means_clearly(byol, half, decision):
    verdict = judge_accuracy(apart("knn_accuracy, 5 labels", half, pairs=30, simclr=-0.06, byol=byol))
    assert verdict.decision == decision and "BYOL" in verdict.effect.what
    assert (verdict.effect.high < 0.02) == (decision == "confirmed")


@pytest.mark.parametrize("lead", [0.0, 1 / 6])
@pytest.mark.parametrize("half", [np.nan, 1e-4], ids=["tie", "nearly"])
def test_equal_accuracies_on_six_images_decide_nothing(lead, half):
    verdict = judge_accuracy(apart("knn_accuracy", half, pairs=2, images=0.39, simclr=lead))
    assert verdict.decision == "undecided" and verdict.effect.over == "test images, jointly"
    assert (verdict.effect.low, verdict.effect.high) == pytest.approx((lead - 0.39, lead + 0.39))
    assert "test images are too few" in verdict.explanation


def test_ties_on_many_images_match_and_without_an_interval_nothing_does():
    many = judge_accuracy(apart("knn_accuracy", np.nan, pairs=2, images=0.01, simclr=0.0))
    assert many.decision == "confirmed" and many.effect.high == pytest.approx(0.01)
    some = apart("knn_accuracy", 1e-4, pairs=30, images=np.nan, simclr=0.0, byol=0.0)
    some.differences.loc[0, ["low", "high"]] = np.nan
    verdict = judge_accuracy(some)
    assert verdict.decision == "undecided" and "SimCLR" in verdict.effect.what and np.isnan(verdict.effect.high)


def test_what_many_comparisons_find_by_chance_refutes_nothing():
    alone = judge_accuracy(apart("knn_accuracy", 0.01, vicreg=0.011))
    many = judge_accuracy(apart("knn_accuracy", 0.01, **{f"other_{i}": 0.0 for i in range(27)}, vicreg=0.011))
    assert alone.decision == "refuted" and many.decision == "undecided"
    assert [(count.number, count.total) for count in many.counts] == [(0, 28), (0, 28), (1, 28), (0, 28)]


def test_the_control_is_no_family_and_others_than_mmcr_are_not_judged():
    assert judge_accuracy(apart("knn_accuracy", alignment=-0.5)).decision == "not_tested"
    assert judge_information(apart("mutual_information_bound", less="simclr", swav=-0.5)).decision == "not_tested"
    assert judge_accuracy(apart("knn_accuracy", np.nan, pairs=1, simclr=-0.5)).decision == "not_tested"
