"""Folders and patterns of parquet files as the Hugging Face Hub has them: splits, columns, class names, captions."""

import dataclasses
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmcr_core.config.defaults import run_spec
from mmcr_core.config.run import BudgetSpec, DatasetSpec
from mmcr_core.config.run_id import run_id, spec_to_json
from mmcr_core.config.validation import SpecError
from mmcr_core.data import registry
from mmcr_core.data.image_set import ContentChanged, DatasetError
from mmcr_core.data.parquet.files import located
from tests.conftest import run_without_privileges
from tests.mmcr_core.data.custom_data import ANIMALS, encoded, gray, hub_table, write_hub, write_parquet


@pytest.fixture(autouse=True)
def _nothing_kept():
    registry.forget()


def label_by_level(images):
    both = [(images.train, images.train_labels), (images.heldout, images.heldout_labels)]
    return {int(x[0, 0, 0]): int(y) for part, labels in both for x, y in zip(part, labels, strict=True)}


def test_the_files_of_a_folder_are_one_set_with_the_classes_of_their_metadata(tmp_path):
    spec = write_hub(tmp_path / "animals")
    images = registry.load(spec)
    assert label_by_level(images) == {0: 0, 1: 1, 2: 2, 3: 0, 4: 1}
    assert images.classes == registry.class_names(spec) == ANIMALS
    assert registry.class_count(spec) == 3
    assert registry.count(spec) == (4, 1)
    registry.require_present(spec)


@pytest.mark.parametrize("name", ["animals", "animals/*.parquet", "anim*/train-*", "animals/**/*.parquet"])
def test_a_folder_and_patterns_that_match_its_files_are_the_same_runs(name, tmp_path):
    spec = registry.identified(write_hub(tmp_path / "animals"))
    other = registry.identified(DatasetSpec("parquet", path=str(tmp_path / name)))
    assert other.digest == spec.digest is not None
    assert (registry.load(other).train == registry.load(spec).train).all()


def test_files_that_are_of_no_split_beside_files_of_one_are_named(tmp_path):
    spec = write_hub(tmp_path / "animals")
    write_hub(tmp_path / "animals", "test")
    assert registry.remarks(spec) == ()
    write_parquet(tmp_path / "animals/more.parquet", [encoded()], [0])
    assert registry.remarks(spec) == (
        f"2 files {spec.path}: 1 files (more.parquet) beside them are of no split by their names, and not read",
    )
    assert registry.count(spec) == (4, 1)


def test_numbered_files_of_which_some_are_missing_are_named(tmp_path):
    spec = write_hub(tmp_path / "animals")
    first, *_ = sorted((tmp_path / "animals").glob("train-*"))
    first.unlink()
    (remark,) = registry.remarks(spec)
    assert remark == f"file {spec.path}: only 1 of 2 train-*-of-00002.parquet are there; the others are missing"


def run_of(dataset):
    return run_id(run_spec(dataset, 2, 4, 2, BudgetSpec(steps=1)))


def test_one_file_has_the_id_that_it_had_alone_also_as_all_of_a_folder(tmp_path):
    (tmp_path / "a").mkdir()
    alone = write_parquet(tmp_path / "a/a.parquet", [encoded(seed=seed) for seed in range(3)], [0, 1, 0])
    alone = registry.identified(alone)
    folder = registry.identified(DatasetSpec("parquet", path=str(tmp_path / "a")))
    named = dataclasses.replace(folder, label_column="label")
    assert run_of(folder) == run_of(alone) == run_of(named)  # labels are what is measured, no part of a run
    assert not {"image_column", "label_column", "caption_column"} & set(json.loads(spec_to_json(run_spec(
        alone, 2, 4, 2, BudgetSpec(steps=1))))["dataset"])  # fmt: skip
    assert run_of(dataclasses.replace(folder, image_column="other")) != run_of(folder)


def test_renaming_files_changes_nothing_and_another_order_or_content_does(tmp_path):
    first = registry.content_digest(write_hub(tmp_path / "a"))
    for place, file in enumerate(sorted((tmp_path / "a").iterdir())):
        file.rename(tmp_path / "a" / f"part-{place}.parquet")
    assert registry.content_digest(DatasetSpec("parquet", path=str(tmp_path / "a"))) == first
    (tmp_path / "a/part-0.parquet").rename(tmp_path / "a/part-2.parquet")
    assert registry.content_digest(DatasetSpec("parquet", path=str(tmp_path / "a"))) != first
    assert registry.content_digest(write_hub(tmp_path / "b", parts=((0, 1, 2), (3, 5)))) != first


def test_splits_are_those_of_the_files_names_or_folders(tmp_path):
    write_hub(tmp_path)
    write_hub(tmp_path, "test", parts=((7, 8),))
    write_hub(tmp_path / "data" / "validation", "0000", parts=((9, 10),))
    (tmp_path / ".cache").mkdir()
    pq.write_table(hub_table([11], [0]), tmp_path / ".cache/train-9.parquet")
    levels = {}
    for split in ("train", "test", "validation", "train+test"):
        spec = DatasetSpec("parquet", path=str(tmp_path), split=split)
        levels[split] = sorted(label_by_level(registry.load(spec)))
    assert levels == {
        "train": [0, 1, 2, 3, 4],
        "test": [7, 8],
        "validation": [9, 10],
        "train+test": [0, 1, 2, 3, 4, 7, 8],
    }
    digests = {registry.content_digest(DatasetSpec("parquet", path=str(tmp_path), split=split)) for split in levels}
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("files", "split", "chosen"),
    [
        (["train.parquet", "test.parquet"], "test", ["test.parquet"]),
        (["train_1.parquet", "training.parquet", "test.parquet"], "train", ["train_1.parquet"]),
        (["train-extra-00000-of-00001.parquet", "train-00000-of-00001.parquet"], "train", ["train-00000-of-00001.par"]),
        (["unlabeled-00000-of-00001.parquet", "train-0.parquet"], "unlabeled", ["unlabeled-00000-of-00001.parquet"]),
        (["cifar10-train.parquet", "cifar10-test.parquet"], "train", ["cifar10-train.parquet"]),
        (["a-train-0-of-1.parquet", "a-test-0-of-1.parquet"], "test", ["a-test-0-of-1.parquet"]),
        (["b.parquet", "a.parquet"], "train", ["a.parquet", "b.parquet"]),
        (["train/1.parquet", "train/0.parquet", "test/0.parquet"], "train", ["0.parquet", "1.parquet"]),
    ],
)
def test_which_files_a_split_has(files, split, chosen, tmp_path):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = [file.name for file in located(str(tmp_path), split)]
    assert len(found) == len(chosen) and all(map(str.startswith, found, chosen))


@pytest.mark.parametrize(
    ("files", "path", "split", "says"),
    [
        (["train-00000-of-00001.parquet"], "", "test", "has no file of split 'test', .*; there are files of train$"),
        (["test.parquet", "more.parquet"], "", "train", "has no file of split 'train', .*; there are files of test$"),
        (["a.parquet"], "", "test", "no name tells of any"),
        (["a.parquet"], "a.parquet", "test", "is one file; leave split out, or give a folder"),
        (["a.txt"], "", "train", r"folder .* holds no \*.parquet files; set path: to a parquet file, a folder of them"),
        ([], "*.parquet", "train", r"no file matches .*\*.parquet; set path: to"),
        ([], "no.parquet", "train", r"file .*no.parquet does not exist; set path: to"),
    ],
)
def test_a_split_that_is_not_there_is_refused_with_those_that_are(files, path, split, says, tmp_path):
    for name in files:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DatasetError, match=says):
        registry.count(DatasetSpec("parquet", path=str(tmp_path / path), split=split))


def test_columns_are_chosen_by_name(tmp_path):
    coarse = pa.array([1, 0, 1], pa.int64())
    table = hub_table([0, 1, 2], [0, 1, 2], image="img", label="fine_label", coarse_label=coarse)
    pq.write_table(table, tmp_path / "a.parquet")
    spec = DatasetSpec("parquet", path=str(tmp_path / "a.parquet"), image_column="img", label_column="fine_label")
    assert label_by_level(registry.load(spec)) == {0: 0, 1: 1, 2: 2}
    assert registry.load(spec).classes == ANIMALS
    registry.forget()
    other = dataclasses.replace(spec, label_column="coarse_label")
    assert label_by_level(registry.load(other)) == {0: 1, 1: 0, 2: 1}
    registry.forget()
    assert set(label_by_level(registry.load(dataclasses.replace(spec, label_column=None))).values()) == {-1}


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({}, "has columns img, y, s, text, score, empty; it needs 'image' .encoded bytes., give image_column: img"),
        ({"image_column": "pic"}, "it needs 'pic' .encoded bytes., give image_column: img"),
        ({"image_column": "y"}, "column 'y' is int64; it must hold encoded JPEG"),
        ({"image_column": "img", "label_column": "z"}, "it needs 'z' .labels., give label_column: y or text$"),
        ({"image_column": "img", "label_column": "s"}, "column 's' is struct.*; it must hold whole numbers, names"),
        (
            {"image_column": "img", "pairs": True},
            "it needs 'caption' .*, give caption_column: text",
        ),
        ({"image_column": "img", "pairs": True, "caption_column": "y"}, "column 'y' is int64; it must hold text"),
    ],
)
def test_a_column_that_is_not_there_is_named_with_those_that_could_be_meant(columns, says, tmp_path):
    images = pa.array([gray(0), gray(1)], pa.binary())
    struct = pa.array([{"a": 1}, {"a": 2}])
    neither = {"score": [0.5, 0.7], "empty": [None, None]}
    table = {"img": images, "y": [0, 1], "s": struct, "text": ["a", "b"], **neither}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    with pytest.raises(DatasetError, match=says):
        registry.require_present(DatasetSpec("parquet", path=str(tmp_path / "a.parquet"), **columns))


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"caption_column": "text"}, "caption_column"),
        ({"split": "train+train"}, "split"),
        ({"split": "+test"}, "split"),
        ({"image_column": "a", "label_column": "a"}, "label_column"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, key):
    with pytest.raises(SpecError) as raised:
        DatasetSpec("parquet", path="a", **options)
    assert raised.value.key == key


def test_names_as_labels_are_numbered_over_all_files(tmp_path):
    for place, names in enumerate((["dog", "ant"], [None, "cat"])):
        write_parquet(tmp_path / f"{place}.parquet", [gray(2 * place), gray(2 * place + 1)], pa.array(names))
    spec = DatasetSpec("parquet", path=str(tmp_path))
    images = registry.load(spec)
    assert label_by_level(images) == {0: 2, 1: 0, 2: -1, 3: 1}
    assert images.classes == ("ant", "cat", "dog") and registry.class_count(spec) == 3


def test_files_that_do_not_agree_on_labels_are_refused(tmp_path):
    write_hub(tmp_path, parts=((0, 1),))
    pq.write_table(hub_table([2], [0], names=("cat", "eel", "dog")), tmp_path / "train-00001-of-00002.parquet")
    spec = DatasetSpec("parquet", path=str(tmp_path))
    with pytest.raises(DatasetError, match="name their classes otherwise"):
        registry.require_present(spec)
    write_parquet(tmp_path / "train-00001-of-00002.parquet", [gray(2)], pa.array(["cat"]))
    with pytest.raises(DatasetError, match=r"has numbers as labels and .* names; write one kind"):
        registry.require_present(spec)
    pq.write_table(hub_table([2], [3]), tmp_path / "train-00001-of-00002.parquet")
    with pytest.raises(DatasetError, match="has the label 3, and its metadata name 3 classes"):
        registry.require_present(spec)


def test_rows_that_cannot_be_read_are_named_with_their_file(tmp_path):
    spec = write_hub(tmp_path)
    table = pa.table({"image": [b"", gray(9)], "label": [0, 1]})
    pq.write_table(table, tmp_path / "train-00009-of-00010.parquet")
    pq.write_table(hub_table([3, 4], [0, 1], names=()), tmp_path / "train-00001-of-00002.parquet")
    pq.write_table(hub_table([0, 1, 2], [0, 1, 2], names=()), tmp_path / "train-00000-of-00002.parquet")
    assert registry.load(spec).skipped == ("train-00009-of-00010.parquet row 0: no bytes",)


def test_a_file_that_changed_since_the_launch_is_refused(tmp_path):
    spec = registry.identified(write_hub(tmp_path))
    pq.write_table(hub_table([5, 6], [0, 1]), tmp_path / "train-00001-of-00002.parquet")
    with pytest.raises(ContentChanged, match=r"2 files .* is not what the launch read"):
        registry.load(spec)


def test_captions_of_several_files_are_texts_or_lists_of_texts(tmp_path):
    for place, said in enumerate(([["a", "b"], ["c"]], [["d"], ["e", "f"]])):
        levels = [2 * place, 2 * place + 1]
        pq.write_table(hub_table(levels, [0, 1], sentences=pa.array(said)), tmp_path / f"train-{place}.parquet")
    spec = DatasetSpec("parquet", path=str(tmp_path), pairs=True, caption_column="sentences", captions=1)
    pairs = registry.load(spec, "cpu", 8)
    assert {*pairs.train_captions, *pairs.heldout_captions} == {("a", "b"), ("c",), ("d",), ("e", "f")}
    assert pairs.classes == ANIMALS


def test_it_reads_what_datasets_writes(tmp_path):
    """The library's own files, where it is installed; the others here are built as it builds them."""
    datasets = pytest.importorskip("datasets")
    from PIL import Image

    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=list(ANIMALS)))
    rows = {"image": [Image.fromarray(np.full((4, 4), 9 * i, np.uint8)) for i in range(6)], "label": [0, 1, 2, 0, 1, 2]}
    written = datasets.Dataset.from_dict(rows, features=features)
    for place in range(2):
        shard = written.shard(2, place, contiguous=True)
        shard.to_parquet(tmp_path / f"train-{place:05}-of-00002.parquet")
    ours, theirs = hub_table([0], [0]).schema, pq.read_schema(tmp_path / "train-00000-of-00002.parquet")
    assert ours.types == theirs.types
    assert json.loads(ours.metadata[b"huggingface"]) == json.loads(theirs.metadata[b"huggingface"])
    images = registry.load(DatasetSpec("parquet", path=str(tmp_path)))
    assert label_by_level(images) == {9 * i: i % 3 for i in range(6)}
    assert images.classes == ANIMALS


def test_a_folder_that_the_system_keeps_from_reading_is_named_and_not_left_out(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.parquet").write_bytes(b"")
    (tmp_path / "b").chmod(0)
    code = f"from mmcr_core.data.parquet.files import located; located({str(tmp_path)!r})"
    ran = run_without_privileges("-c", code)
    (tmp_path / "b").chmod(0o755)
    assert ran.returncode == 1 and f"Permission denied: '{tmp_path / 'b'}'" in ran.stderr
