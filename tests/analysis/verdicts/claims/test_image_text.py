"""Verdicts on MMCR against CLIP at small batches."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from analysis.verdicts.claims.image_text import judge_small_batches


def judged(lead, sizes=(32, 64, 128, 256), seeds=3, objectives=("mmcr", "clip")):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        [{"objective": name, "setting": "", "D": 64, "K": 2, "budget": 1, "subject": "", "P": P, "seed": seed,
          "measure": "zero_shot_top1", "value": 0.4 + (name == "mmcr") * lead(P) + 0.002 * rng.standard_normal()}
         for name in objectives for P in sizes for seed in range(seeds)]
    )  # fmt: skip
    return judge_small_batches(SimpleNamespace(pairs=table))


@pytest.mark.parametrize(
    ("lead", "decision"),
    [
        (lambda P: 0.1, "confirmed"),
        (lambda P: -0.1, "refuted"),
        (lambda P: 0.1 if P < 256 else -0.1, "refuted"),
        (lambda P: 0.1 if P < 256 else 0.0, "undecided"),
    ],
)
def test_ahead_everywhere_confirms_and_behind_anywhere_refutes(lead, decision):
    verdict = judged(lead)
    assert verdict.decision == decision
    assert [each.what for each in verdict.effects] == ["P = 32:", "P = 64:", "P = 128:", "P = 256:"]
    assert {each.over for each in verdict.effects} == {"3 seeds"}


def test_larger_batches_one_objective_or_images_alone_test_nothing():
    for verdict in (judged(lambda P: 0.1, sizes=(512, 1024)), judged(lambda P: 0.1, objectives=("mmcr",))):
        assert verdict.decision == "not_tested"
    assert judge_small_batches(SimpleNamespace(pairs=pd.DataFrame())).decision == "not_tested"


def test_one_seed_decides_nothing_and_says_so():
    verdict = judged(lambda P: 0.1, seeds=1)
    assert verdict.decision == "undecided" and np.isnan(verdict.effect.low)
    assert "One seed has no interval" in verdict.explanation
