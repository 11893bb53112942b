"""Paired differences of MMCR and CLIP below P = 512."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import open_results
from analysis.comparisons.mmcr_vs_clip import differences, plain
from analysis.comparisons.multimodal import measurements
from sweeps.storage.sweep_store import Store
from tests.synthetic import pairs_accuracy, pairs_objective, write_pairs


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Three objectives; mmcr also with a share of CLIP's loss; at P = 128 two budgets; seed 2 of clip is absent."""
    store = Store(tmp_path_factory.mktemp("small"))
    for P in (64, 128, 512):
        for seed in range(3):
            for objective in (pairs_objective("mmcr"), pairs_objective("mmcr", 0.5), pairs_objective("siglip")):
                write_pairs(store, objective, P, seed=seed)
            if seed < 2:
                write_pairs(store, pairs_objective("clip"), P, seed=seed)
    write_pairs(store, pairs_objective("clip"), 128, seed=2, images=16384)
    return open_results(store.root)


def test_pairs_share_seed_and_images_and_mmcr_with_a_share_of_clip_is_no_mmcr(results):
    names = plain(results)
    table = measurements(results)
    table = table[table["run_id"].isin(names)]
    assert set(table["objective"]) == {"mmcr", "clip"} and len(names) == 16
    found = differences(table).set_index("P")
    assert found.index.tolist() == [64, 128] and found["pairs"].tolist() == [2, 2]
    for P, row in found.iterrows():
        truth = pairs_accuracy("mmcr", P) - pairs_accuracy("clip", P)
        ends = table[(table["P"] == P) & (table["seed"] < 2) & (table["measure"] == "zero_shot_top1")]
        apart = ends.pivot_table(index="seed", columns="objective", values="value").eval("mmcr - clip")
        half = stats.t.ppf(0.975, 1) * apart.std() / np.sqrt(2)
        assert (row["low"], row["high"]) == pytest.approx((apart.mean() - half, apart.mean() + half))
        assert row["difference"] == pytest.approx(truth, abs=0.02)


def test_without_zero_shot_accuracy_recall_at_10_decides(results):
    table = measurements(results)
    table = table[table["run_id"].isin(plain(results)) & ~table["measure"].str.startswith("zero_shot")]
    found = differences(table).set_index("P")
    apart = pairs_accuracy("mmcr", 64) - pairs_accuracy("clip", 64)
    assert found.loc[64, "difference"] == pytest.approx(apart * 10**0.3 * 0.6, abs=0.03)


def test_cells_of_a_seed_are_averaged_before_seeds_are_compared():
    rows = [
        {"objective": name, "setting": "", "D": D, "K": 2, "budget": 1, "subject": "", "P": 64, "seed": seed,
         "measure": "zero_shot_top1", "value": (name == "mmcr") * (0.1 * seed + (0.02 if D == 64 else -0.02))}
        for name in ("mmcr", "clip") for D in (64, 128) for seed in (1, 2)
    ]  # fmt: skip
    (row,) = differences(pd.DataFrame(rows)).to_dict("records")
    assert (row["pairs"], row["seeds"]) == (4, 2) and row["difference"] == pytest.approx(0.15)
    (lone,) = differences(pd.DataFrame(rows).query("seed == 1")).to_dict("records")
    assert lone["pairs"] == 2 and lone["seeds"] == 1 and np.isnan(lone["low"])
