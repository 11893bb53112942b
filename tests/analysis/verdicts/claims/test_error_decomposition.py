"""Reconstruction and uniformity at the end against those before training."""

from types import SimpleNamespace

import pandas as pd
import pytest

from analysis.verdicts.claims.error_decomposition import judge_both_rise


def judged(reconstruction, uniformity, runs=6):
    rows = [
        {"variant": "mmcr", "P": 16, "D": D, "K": 2, "seed": seed, "steps": 10,
         "reconstruction": reconstruction + 0.01 * seed, "uniformity": uniformity - 0.01 * seed}
        for D in (16, 32) for seed in (0, 1, 2)
    ]  # fmt: skip
    return judge_both_rise(SimpleNamespace(factor_changes=pd.DataFrame(rows).head(runs)))


@pytest.mark.parametrize(
    ("reconstruction", "uniformity", "decision"),
    [(0.1, 0.2, "confirmed"), (0.1, -0.2, "refuted"), (0.0, 0.2, "undecided")],
)
def test_both_components_must_rise(reconstruction, uniformity, decision):
    verdict = judged(reconstruction, uniformity)
    assert verdict.decision == decision and [each.what for each in verdict.effects] == ["reconstruction", "uniformity"]


def test_one_run_decides_nothing():
    verdict = judged(0.1, 0.1, runs=1)
    assert verdict.decision == "undecided" and not verdict.measured
