"""Verdicts on MMCR against CLIP at small batches."""

import numpy as np
import pandas as pd
import pytest

from analysis.pages.multimodal_claim import small_batch_claim


def measured(lead, sizes=(32, 64, 128, 256), seeds=3, objectives=("mmcr", "clip")):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        [{"objective": name, "setting": "", "D": 64, "K": 2, "budget": 1, "subject": "", "P": P, "seed": seed,
          "measure": "zero_shot_top1", "value": 0.4 + (name == "mmcr") * lead(P) + 0.002 * rng.standard_normal()}
         for name in objectives for P in sizes for seed in range(seeds)]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("lead", "verdict"),
    [
        (lambda P: 0.1, "confirmed"),
        (lambda P: -0.1, "refuted"),
        (lambda P: 0.1 if P < 256 else -0.1, "refuted"),
        (lambda P: 0.1 if P < 256 else 0.0, "undecided"),
    ],
)
def test_ahead_everywhere_confirms_and_behind_anywhere_refutes(lead, verdict):
    claim = small_batch_claim(measured(lead))
    assert claim.verdict == verdict and "P < 512" in claim.statement
    assert "P = 32: " in claim.reason and "3 seeds" in claim.reason and claim.figures == ("multimodal",)


def test_larger_batches_or_one_objective_test_nothing():
    for table in (measured(lambda P: 0.1, sizes=(512, 1024)), measured(lambda P: 0.1, objectives=("mmcr",))):
        claim = small_batch_claim(table)
        assert claim.verdict == "not tested" and "no runs of mmcr and clip" in claim.reason


def test_one_seed_decides_nothing_and_says_so():
    claim = small_batch_claim(measured(lambda P: 0.1, seeds=1))
    assert claim.verdict == "undecided" and "One seed has no interval" in claim.reason
