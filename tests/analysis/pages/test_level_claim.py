"""The uniformity deficit against the level of so many images: followed, half followed, not followed."""

import pandas as pd
import pytest

from analysis.pages.level_claim import level_claim
from mmcr_core.theory import expected_percent_error


def levels(share, sizes=(128, 256, 1437)):
    rows = []
    for P, D in ((32, 32), (32, 64), (64, 64)):
        for N in sizes:
            level = float(expected_percent_error(P, D, N=N))
            wiggle = 0.02 * (P + D) / 128
            rows.append({"P": P, "D": D, "K": 2, "images": N, "level": level, "deficit": (share + wiggle) * level})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("share", "verdict"), [(0.9, "confirmed"), (0.0, "refuted"), (0.48, "undecided")])
def test_the_slope_of_deficit_against_level_decides(share, verdict):
    assert level_claim(levels(share)).verdict == verdict


def test_data_sets_of_one_size_test_nothing():
    assert level_claim(pd.DataFrame()).verdict == "not tested"
