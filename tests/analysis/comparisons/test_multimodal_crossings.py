"""Which batch sizes objectives on pairs cross at, and how that is said."""

import numpy as np
import pandas as pd
import pytest

from analysis.comparisons.multimodal_crossings import crossings, describe_crossings

SIZES = (32, 64, 128, 256, 512, 1024)


def measured(values, seeds=3, measure="zero_shot_top1", noise=0.002, objectives=None):
    """Long table of `values`: variant -> value by P."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        [{"variant": name, "objective": name.split(",")[0], "setting": "", "D": 64, "K": 2, "P": P, "seed": seed,
          "measure": measure, "subject": "glyphs", "value": value(P) + noise * rng.standard_normal()}
         for name, value in values.items() for P in SIZES for seed in range(seeds)]
    )  # fmt: skip


def falling(P):
    return 0.5 - 0.03 * np.log2(P / 200)


def level(P):
    return 0.5


def test_a_known_crossing_is_said_with_its_interval():
    found = crossings(measured({"mmcr": falling, "clip": level}))
    (row,) = found.to_dict("records")
    assert row["kind"] == "once" and row["low"] <= 200 <= row["high"] and row["crossing"] == pytest.approx(200, rel=0.1)
    assert (row["variant"], row["against"], row["seeds"], row["ahead_below"]) == ("mmcr", "clip", 3, "mmcr")
    assert (row["ahead_at"], row["behind_at"]) == ("32 64 128", "256 512 1024")
    (sentence,) = describe_crossings(found)
    assert sentence.startswith("zero-shot top-1 on glyphs, D = 64, K = 2, MMCR against CLIP: they cross at P = ")
    assert sentence.endswith("3 pairs of seeds): MMCR is ahead below, CLIP above.")


def test_of_percent_errors_the_lower_is_ahead():
    found = crossings(measured({"mmcr": falling, "clip": level}, measure="heldout_percent_error"))
    assert found["ahead_below"].tolist() == ["clip"]


def test_lines_that_do_not_cross_name_who_is_ahead():
    (sentence,) = describe_crossings(crossings(measured({"mmcr": lambda P: 0.6, "clip": level})))
    assert "they do not cross in P = 32 to 1024: MMCR is ahead at all of them" in sentence


def test_crossing_there_and_back_names_the_sizes():
    (sentence,) = describe_crossings(
        crossings(measured({"mmcr": lambda P: 0.6 if P in (32, 1024) else 0.4, "clip": level}))
    )
    assert "cross more than once" in sentence and "MMCR is clearly ahead at P = 32, 1024" in sentence
    assert "CLIP is clearly ahead at P = 64, 128, 256, 512" in sentence


def test_noise_is_undecided():
    table = measured({"mmcr": level, "clip": level})
    apart = 0.1 * (table["seed"] - 1) * (table["variant"] == "mmcr")
    (sentence,) = describe_crossings(crossings(table.assign(value=table["value"] + apart)))
    assert "undecided whether they cross" in sentence and "neither is clearly ahead anywhere" in sentence


def test_one_seed_has_no_interval_which_is_said():
    found = crossings(measured({"mmcr": falling, "clip": level}, seeds=1))
    assert found["low"].isna().all() and found["crossing"].notna().all()
    assert "there is no interval and nothing is decided: the means cross at P = " in describe_crossings(found)[0]


def test_a_size_that_few_seeds_reached_is_left_out_and_so_is_a_seed_that_lacks_another():
    table = measured({"mmcr": falling, "clip": level}, seeds=4)
    lone = (table["P"] == 1024) & (table["seed"] > 0) & (table["variant"] == "clip")
    failed = (table["P"] == 64) & (table["seed"] == 2) & (table["variant"] == "mmcr")
    (row,) = crossings(table[~(lone | failed)]).to_dict("records")
    assert (row["seeds"], row["least_P"], row["largest_P"], row["kind"]) == (3, 32, 512, "once")


def test_each_mmcr_is_compared_with_each_other_objective_and_the_first_with_all_where_there_is_no_mmcr():
    values = {"mmcr": falling, "mmcr, objective.clip_weight=0.5": falling, "clip": level, "siglip": level}
    found = crossings(measured(values))
    assert set(found["variant"]) == {"mmcr", "mmcr, objective.clip_weight=0.5"}
    assert set(found["against"]) == {"clip", "siglip"} and len(found) == 4
    found = crossings(measured({"siglip": level, "clip": falling}))
    assert found[["variant", "against"]].to_numpy().tolist() == [["clip", "siglip"]]


def test_other_settings_are_not_compared_and_nothing_to_compare_is_an_empty_table():
    table = measured({"mmcr": falling, "clip": level})
    apart = crossings(table.assign(setting=table["variant"]))
    assert apart.empty and describe_crossings(apart) == [] and "crossing" in apart
