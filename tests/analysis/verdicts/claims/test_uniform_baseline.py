"""The uniformity deficit against the uniform baseline of N images: followed, half followed, not followed."""

from types import SimpleNamespace

import pandas as pd
import pytest

from analysis.verdicts.claims.uniform_baseline import judge_size
from mmcr_core.theory import expected_percent_error


def levels(share, sizes=(128, 256, 1437)):
    rows = []
    for P, D in ((32, 32), (32, 64), (64, 64)):
        for N in sizes:
            level = float(expected_percent_error(P, D, N=N))
            wiggle = 0.02 * (P + D) / 128
            rows.append({"P": P, "D": D, "K": 2, "images": N, "level": level, "deficit": (share + wiggle) * level})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("share", "decision"), [(0.9, "confirmed"), (0.0, "refuted"), (0.48, "undecided")])
def test_the_slope_of_deficit_against_baseline_decides(share, decision):
    verdict = judge_size(SimpleNamespace(levels=levels(share)))
    assert verdict.decision == decision and verdict.effect.value == pytest.approx(share, abs=0.03)


def test_data_sets_of_one_size_test_nothing():
    assert judge_size(SimpleNamespace(levels=pd.DataFrame())).decision == "not_tested"
