"""Parquet files as users make them: labels of many types, empty, damaged."""

import math
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmcr_core.config.defaults import run_spec
from mmcr_core.config.run import BudgetSpec, DatasetSpec
from mmcr_core.data import registry
from mmcr_core.data.image_set import DatasetError
from tests.mmcr_core.data.custom_data import encoded, gray, write_parquet


@pytest.fixture(autouse=True)
def _nothing_kept():
    registry.forget()


def labels_of(spec, rows):
    """Labels in the order of the file's rows, each of which is an image of its own gray level."""
    images = registry.load(spec)
    both = [(images.train, images.train_labels), (images.heldout, images.heldout_labels)]
    by_level = {int(x[0, 0, 0]): int(y) for part, labels in both for x, y in zip(part, labels, strict=True)}
    return [by_level[level] for level in range(rows)]


def write_labels(path, labels):
    return write_parquet(path, [gray(i) for i in range(len(labels))], labels)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (pa.array(["dog", "cat", None, "ant"]), [2, 1, -1, 0]),
        (pa.array(["dog", "cat", None, "ant"], pa.large_string()), [2, 1, -1, 0]),
        (pa.array(["dog", "cat", None, "dog"]).dictionary_encode(), [1, 0, -1, 1]),
        (pa.array([True, False, None]), [1, 0, -1]),
        (pa.array([3.0, -0.0, None, 7.0]), [3, 0, -1, 7]),
        (pa.array([1, None, 2], pa.float16()), [1, -1, 2]),
        (pa.array([1, None, 255], pa.uint8()), [1, -1, 255]),
        (pa.array([1, None, 2**63 - 1], pa.uint64()), [1, -1, 2**63 - 1]),
        (pa.array([-(2**63), None, 2**63 - 1], pa.int64()), [-(2**63), -1, 2**63 - 1]),
        (pa.array([5, None, 6]).dictionary_encode(), [5, -1, 6]),
        (pa.nulls(3), [-1, -1, -1]),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_labels_become_whole_numbers_and_names_their_place_in_order(labels, expected, tmp_path):
    spec = write_labels(tmp_path / "a.parquet", labels)
    registry.require_present(spec)
    assert labels_of(spec, len(expected)) == expected


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (pa.array([0.0, None, math.nan, 1.5]), r"file .*a\.parquet: column 'label' is nan in row 2; .* whole numbers"),
        (pa.array([0.0, 1.5]), "column 'label' is 1.5 in row 1"),
        (pa.array([0.0, 1e300]), r"column 'label' is 1e\+300 in row 1"),
        (pa.array([0, 2**63], pa.uint64()), f"column 'label' is {2**63} in row 1"),
    ],
)
def test_labels_that_are_no_whole_numbers_are_refused_before_the_launch_and_when_loaded(labels, says, tmp_path):
    spec = write_labels(tmp_path / "a.parquet", labels)
    for step in (registry.require_present, registry.load):
        with pytest.raises(DatasetError, match=says):
            step(spec)


@pytest.mark.parametrize(
    "labels", [pa.array([[1], [2]]), pa.array([{"a": 1}] * 2), pa.array([b"x"] * 2), pa.array([Decimal("1.5")] * 2)]
)
def test_labels_of_other_types_are_refused_where_images_are_counted(labels, tmp_path):
    spec = write_labels(tmp_path / "a.parquet", labels)
    with pytest.raises(
        DatasetError, match=r"column 'label' is .*; it must hold whole numbers, names or true and false"
    ):
        registry.count(spec)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_file_of_too_few_rows_is_refused_where_it_is_counted(rows, tmp_path):
    with pytest.raises(DatasetError, match=f"holds too few images: {rows} of at least 2"):
        registry.count(write_parquet(tmp_path / "a.parquet", [encoded()] * rows))


def test_rows_without_an_image_are_named_and_skipped(tmp_path):
    hub = pa.array([{"bytes": encoded(), "path": "x"}, None, {"bytes": None, "path": "y"}, {"bytes": encoded()}])
    pq.write_table(pa.table({"image": hub, "label": ["b", "a", "a", "b"]}), tmp_path / "a.parquet")
    images = registry.load(DatasetSpec("parquet", path=str(tmp_path / "a.parquet")))
    assert images.skipped == ("row 1: no bytes", "row 2: no bytes")
    assert images.train_labels.tolist() == images.heldout_labels.tolist() == [1]


@pytest.mark.parametrize("kind", [pa.large_binary(), pa.binary_view(), pa.dictionary(pa.int32(), pa.binary())], ids=str)
def test_bytes_may_be_stored_in_any_way_that_parquet_has(kind, tmp_path):
    images = [encoded(seed=seed) for seed in range(4)]
    column = pa.array(images).dictionary_encode() if pa.types.is_dictionary(kind) else pa.array(images, kind)
    pq.write_table(pa.table({"image": column}), tmp_path / "a.parquet")
    plain = registry.load(write_parquet(tmp_path / "b.parquet", images))
    assert (registry.load(DatasetSpec("parquet", path=str(tmp_path / "a.parquet"))).train == plain.train).all()


def test_two_columns_of_one_name_are_refused(tmp_path):
    images = pa.array([encoded()] * 2)
    pq.write_table(pa.Table.from_arrays([images, images], names=["image", "image"]), tmp_path / "a.parquet")
    with pytest.raises(DatasetError, match="more than one column 'image'; keep one"):
        registry.count(DatasetSpec("parquet", path=str(tmp_path / "a.parquet")))


def test_a_file_damaged_in_the_middle_is_refused_with_a_sentence(tmp_path):
    spec = write_parquet(tmp_path / "a.parquet", [encoded((40, 40), seed=i) for i in range(20)])
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    content[4:200] = bytes(196)
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(DatasetError, match=r"file .*a\.parquet is damaged from row 0 on .*; write it anew"):
        registry.load(spec)


def test_paths_without_bytes_are_refused_at_planning(tmp_path):
    hub = pa.array(
        [{"bytes": None, "path": f"{i}.jpg"} for i in range(3)], pa.struct({"bytes": pa.binary(), "path": pa.string()})
    )
    pq.write_table(pa.table({"image": hub}), tmp_path / "a.parquet")
    spec = DatasetSpec("parquet", path=str(tmp_path / "a.parquet"))
    assert "0 of 3 rows are used; left out: 3 without bytes" in registry.remarks(spec)[0]
    with pytest.raises(DatasetError, match="none of its first 3 images can be used; the first is row 0: no bytes"):
        registry.dataset(spec).sample(8)


def test_rows_without_an_image_count_neither_for_steps_nor_for_batches(tmp_path):
    images = [None if row % 2 else encoded(seed=row) for row in range(40)]
    spec = registry.identified(write_parquet(tmp_path / "images.parquet", images))
    loaded = registry.load(spec)
    assert registry.count(spec) == (len(loaded.train), len(loaded.heldout)) == (18, 2)
    assert registry.steps_of(run_spec(spec, 4, 4, 2, BudgetSpec(epochs=1))) == 4
