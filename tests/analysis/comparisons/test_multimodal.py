"""Tables of what image-text runs end with: only runs that saw equally many images are compared."""

import numpy as np
import pytest
from scipy import stats

from analysis.comparisons.multimodal import (
    ERROR,
    GAP,
    at_equal_images,
    budgets,
    measurements,
    over_batches,
    paired_differences,
    required,
)
from analysis.results.errors import ResultsError
from analysis.results.results import open_results
from sweeps.storage.sweep_store import Store
from tests import synthetic
from tests.synthetic import pairs_objective, write_pairs


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Two objectives, three batch sizes, two seeds; of one of them also a run of twice the budget."""
    store = Store(tmp_path_factory.mktemp("pairs"))
    for name in ("clip", "mmcr"):
        for P in (48, 64, 128):  # of which 48 does not divide the budget
            for seed in (0, 1):
                write_pairs(store, pairs_objective(name), P, seed=seed)
    write_pairs(store, pairs_objective("mmcr"), 64, images=16384)
    return measurements(open_results(store.root))


def test_runs_of_the_most_common_budget_are_compared_and_the_others_named(table):
    compared, remark = at_equal_images(table)
    assert set(compared["images"]) == {8160, 8192} and compared["run_id"].nunique() == 12
    assert "from 8,160 to 16,384 images" in remark and "of 13 runs the 12" in remark
    assert at_equal_images(compared)[1] == ""
    assert set(table["variant"]) == {"clip", "mmcr"}  # a budget is no variant


@pytest.mark.parametrize(
    ("images", "groups"),
    [([100, 104, 200, 205], [102, 102, 202, 202]), ([100, 104, 108, 112], [102, 102, 110, 110]), ([7], [7])],
)
def test_no_two_runs_of_a_budget_differ_by_more_than_they_may(images, groups):
    assert budgets(np.array(images)).tolist() == groups
    assert sorted(budgets(np.array(images[::-1]))) == groups


def test_means_and_intervals_are_those_of_student_over_seeds(table):
    compared, _ = at_equal_images(table)
    found = over_batches(compared).set_index(["variant", "P", "measure"])
    row = found.loc[("mmcr", 64, "zero_shot_top1")]
    of = (compared["variant"] == "mmcr") & (compared["P"] == 64) & (compared["measure"] == "zero_shot_top1")
    values = compared.loc[of, "value"].to_numpy()
    half = stats.t.ppf(0.975, 1) * values.std(ddof=1) / np.sqrt(2)
    assert (row["seeds"], row["subject"]) == (2, "glyphs") and row["chance"] == pytest.approx(1 / 26)
    assert (row["mean"], row["low"], row["high"]) == pytest.approx(
        (values.mean(), values.mean() - half, values.mean() + half)
    )


def test_recall_is_the_mean_of_both_directions_and_knows_chance(table):
    found = over_batches(at_equal_images(table)[0]).set_index(["variant", "P", "measure"])
    both = [found.loc[("clip", 128, f"{way}_recall_5"), "mean"] for way in ("image_to_text", "text_to_image")]
    row = found.loc[("clip", 128, "recall_5")]
    assert row["mean"] == pytest.approx(np.mean(both)) and row["chance"] == pytest.approx(5 / 446)
    assert found.loc[("clip", 128, ERROR), "mean"] == pytest.approx(
        1 - found.loc[("clip", 128, "zero_shot_top1"), "mean"]
    )


def test_differences_to_clip_are_those_of_runs_with_the_same_seed(table):
    compared, _ = at_equal_images(table)
    found = paired_differences(compared).set_index(["variant", "P", "measure"])
    row = found.loc[("mmcr", 64, "recall_1")]
    one = compared[(compared["P"] == 64) & (compared["measure"] == "recall_1")].set_index(["variant", "seed"])["value"]
    apart = (one["mmcr"] - one["clip"]).to_numpy()
    half = stats.t.ppf(0.975, 1) * apart.std(ddof=1) / np.sqrt(2)
    assert (row["pairs"], row["less"]) == (2, "clip")
    assert (row["mean"], row["high"]) == pytest.approx((apart.mean(), apart.mean() + half))
    assert paired_differences(compared[compared["variant"] == "mmcr"]).empty
    assert over_batches(compared).set_index("measure").loc[[ERROR, GAP], "chance"].isna().all()


def test_runs_that_measured_one_direction_have_no_mean_of_both(tmp_path):
    store = Store(tmp_path)
    write_pairs(store, pairs_objective("clip"), 64, left_out=("image_to_text", "zero_shot"))
    measures = set(measurements(open_results(store.root))["measure"])
    assert "text_to_image_recall_1" in measures and "recall_1" not in measures


def test_sweeps_without_such_measures_are_told_which_to_ask_for(tmp_path):
    results = open_results(synthetic.write_sweep(tmp_path, (64,), (2,), steps=40).root)
    assert measurements(results).empty
    with pytest.raises(ResultsError, match=r"evaluate: \{measures: \[zero_shot, retrieval, modality_gap\]\}"):
        required(results)
