"""Pairs from parquet files and shards: read whole, trained on, measured."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from mmcr_core.config.run import BudgetSpec, DatasetSpec, EvaluateSpec
from mmcr_core.data import registry
from mmcr_core.data.image_set import DatasetError
from mmcr_core.training import Pretraining
from tests.mmcr_core.data.shards.shard_data import gray, sample, write, write_set
from tests.mmcr_core.training.run_helpers import columns, same, through_bytes

VIEWS = {"size": 8, "crop_scale": (0.5, 1.0), "mean": (0.5, 0.5, 0.5), "std": (0.3, 0.3, 0.3)}


@pytest.fixture(autouse=True)
def _forget():
    registry.forget()


def write_parquet(path, captions, images=None):
    images = images or [gray(number * 5 % 256) for number in range(len(captions))]
    pq.write_table(pa.table({"image": images, "caption": captions}), path)
    return DatasetSpec("parquet", path=str(path), pairs=True)


def test_captions_stay_with_their_images(tmp_path):
    spec = write_parquet(tmp_path / "a.parquet", [f"n {number * 5}" for number in range(30)])
    pairs = registry.load(spec, "cpu", 8)
    assert (len(pairs.train), len(pairs.heldout)) == registry.count(spec) == (27, 3)
    for images, captions in ((pairs.train, pairs.train_captions), (pairs.heldout, pairs.heldout_captions)):
        assert [f"n {int(image[0, 0, 0])}" for image in images] == [texts[0] for texts in captions]


def test_rows_may_have_several_captions_and_one_without_any_is_named(tmp_path):
    captions = [["a", "b"], [" c "], [], None, ["", "d"], ["e"]]
    pairs = registry.load(write_parquet(tmp_path / "a.parquet", captions), "cpu", 8)
    found = set(pairs.train_captions) | set(pairs.heldout_captions)
    assert found == {("a", "b"), ("c",), ("d",), ("e",)}
    assert pairs.skipped == ("row 2: its caption is empty", "row 3: it has no caption")


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (
            {"image": [b"x"] * 3},
            "has columns image; it needs 'caption' .text, or lists of texts., no other column",
        ),
        ({"image": [b"x"] * 3, "caption": [1, 2, 3]}, "column 'caption' is int64; it must hold text"),
    ],
)
def test_a_file_without_captions_is_refused_before_an_image_is_read(table, says, tmp_path):
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    with pytest.raises(DatasetError, match=says):
        registry.require_present(DatasetSpec("parquet", path=str(tmp_path / "a.parquet"), pairs=True))


@pytest.fixture
def small_run(pairs_spec):
    def make(dataset, **changes):
        from mmcr_core.config.augmentation import ViewSpec

        measures = EvaluateSpec(1, "none", ("retrieval", "modality_gap", "effective_rank"))
        fields = {"dataset": dataset, "views": ViewSpec(**VIEWS), "P": 8, "evaluate": measures}
        return pairs_spec(**(fields | {"budget": BudgetSpec(steps=9)} | changes))

    return make


@pytest.mark.parametrize("kind", ["parquet", pytest.param("shards", marks=pytest.mark.slow)])
def test_own_pairs_are_trained_on_resumed_bit_for_bit_and_measured(kind, tmp_path, small_run):
    if kind == "parquet":
        dataset = write_parquet(tmp_path / "a.parquet", [[f"n {number}", "some gray"] for number in range(120)])
    else:
        dataset = DatasetSpec("shards", path=str(write_set(tmp_path / "s", [70, 50])), processes=1)
    spec = small_run(dataset)
    runs = whole, begun, resumed = [Pretraining(spec) for _ in range(3)]
    try:
        assert whole.source.available == 108
        expected = columns(whole.run())
        before = list(begun.run(until=5))
        resumed.load_state_dict(through_bytes(begun.state_dict()))
        assert same(expected, columns([*before, *resumed.run()]))
        found = {each.name: each for each in whole.evaluate()}
        assert found["image_to_text_recall_10"].count == 12
        assert all(np.isfinite(each.value) for each in found.values())
    finally:
        for run in runs:
            run.close()


def test_a_step_on_shards_reads_nothing_back(tmp_path, small_run):
    run = Pretraining(small_run(DatasetSpec("shards", path=str(write_set(tmp_path / "s", [40])), processes=1)), "meta")
    try:
        run.train_step()
        assert run.source.extra_inputs[0].device == torch.device("meta")
    finally:
        run.close()


def test_shards_that_are_not_at_hand_are_planned_by_their_number_and_not_launched(tmp_path):
    spec = DatasetSpec("shards", path=str(tmp_path / "{0..9}.tar"), samples=1000, heldout=0.01)
    assert registry.count(spec) == (990, 10)
    assert registry.content_digest(spec) is None
    with pytest.raises(DatasetError, match="there is no such file"):
        registry.require_present(spec)


def test_what_is_odd_about_shards_is_known_before_they_are_read(tmp_path):
    pairs = [member for number in range(6) for member in sample(number)]
    write(tmp_path / "a.tar", [*pairs, *sample(3)])
    assert registry.remarks(DatasetSpec("shards", path=str(tmp_path))) == (
        f"shards {tmp_path}: 12 of 14 members are used; left out: 2 that come again with a key and kind of an earlier "
        f"one (a.tar: 000003.png, a.tar: 000003.txt)",
    )
    assert registry.remarks(DatasetSpec("glyphs")) == registry.remarks(DatasetSpec("digits")) == ()
