"""Data sets: named, from a folder, from parquet; absent, damaged and odd ones."""

import hashlib
import io
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from mmcr_core.config.dataset import DatasetName
from mmcr_core.config.run import DatasetSpec
from mmcr_core.data import registry
from mmcr_core.data.image_set import DatasetError
from mmcr_core.data.image_text.parquet_pairs import ParquetPairs
from mmcr_core.data.parquet.parquet_images import ParquetImages
from tests.mmcr_core.data.custom_data import encoded, write_folder, write_parquet


@pytest.fixture(autouse=True)
def _nothing_kept():
    registry.forget()


def test_digits_are_split_once_and_for_all():
    images = registry.load(DatasetSpec("digits"))
    assert images.train.shape == (1437, 8, 1, 8)
    assert images.heldout.shape == (360, 8, 1, 8)
    assert images.train.dtype == torch.uint8
    digits = load_digits()
    np.testing.assert_array_equal(images.heldout[1, :, 0].numpy(), (digits.images[5] * 255 / 16).round())
    assert images.heldout_labels[1] == digits.target[5]
    assert registry.count(DatasetSpec("digits")) == (1437, 360)


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "stl10"])
def test_an_absent_named_set_names_its_command_and_url(name, tmp_path):
    spec = DatasetSpec(name, root=str(tmp_path / "nowhere"))
    with pytest.raises(DatasetError, match=rf"curl -L https?://\S+{name.replace('10', '-?10')}\S* .*download: true"):
        registry.require_present(spec)
    assert not (tmp_path / "nowhere").exists()


def test_a_named_set_is_read_with_torchvisions_layout(tmp_path, monkeypatch):
    """The loader's own files, made here in CIFAR-10's format, with checksums to match."""
    import pickle

    from mmcr_core.data.torchvision_import import torchvision

    cifar = torchvision.datasets.CIFAR10
    folder = tmp_path / cifar.base_folder
    folder.mkdir()
    rng = np.random.default_rng(0)
    pixels = {}

    def write(name, content):
        (folder / name).write_bytes(pickle.dumps(content))
        return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

    def batch(name):
        pixels[name] = rng.integers(0, 256, (4, 3, 32, 32), dtype=np.uint8)
        return write(name, {"data": pixels[name].reshape(4, -1), "labels": [0, 1, 2, 3]})

    monkeypatch.setattr(cifar, "train_list", [batch(f"data_batch_{i}") for i in (1, 2)])
    monkeypatch.setattr(cifar, "test_list", [batch("test_batch")])
    name, digest = write("batches.meta", {"label_names": ["a", "b", "c", "d"]})
    monkeypatch.setattr(cifar, "meta", {"filename": name, "key": "label_names", "md5": digest})
    images = registry.load(DatasetSpec("cifar10", root=str(tmp_path)))
    assert images.train.shape == (8, 32, 3, 32)
    np.testing.assert_array_equal(images.train[5].permute(1, 0, 2), pixels["data_batch_2"][1])
    np.testing.assert_array_equal(images.heldout[3].permute(1, 0, 2), pixels["test_batch"][3])
    assert images.train_labels.tolist() == [0, 1, 2, 3] * 2


def test_parquet_rows_become_images_with_labels(tmp_path):
    spec = write_parquet(tmp_path / "a.parquet", [encoded(seed=i) for i in range(20)], list(range(20)))
    images = registry.load(spec)
    assert images.train.shape == (18, 12, 3, 12)
    assert registry.count(spec) == (18, 2)
    for image, label in zip(images.train, images.train_labels, strict=True):
        original = np.asarray(Image.open(io.BytesIO(encoded(seed=int(label)))))
        np.testing.assert_array_equal(image.permute(0, 2, 1), original)
    assert not set(images.train_labels.tolist()) & set(images.heldout_labels.tolist())


def test_a_folder_is_a_tree_of_class_folders(tmp_path):
    files = {f"{name}/deep/{i}.png": encoded((30, 20), seed=i) for name in ("cat", "dog") for i in range(10)}
    spec = write_folder(tmp_path / "images", files | {"notes.txt": b"x", "loose.jpg": encoded(kind="JPEG")})
    images = registry.load(spec)
    labels = torch.cat([images.train_labels, images.heldout_labels])
    assert sorted(labels.tolist()) == [-1] + [0] * 10 + [1] * 10
    assert images.train.shape[1:] == (20, 3, 20)
    assert registry.count(spec) == (19, 2)


def test_the_asked_size_is_kept(tmp_path):
    files = {f"a/{i}.png": encoded((30, 20), seed=i) for i in range(4)}
    spec = write_folder(tmp_path / "images", files)
    resized = registry.load(DatasetSpec("folder", path=spec.path, size=16))
    assert resized.train.shape == (3, 16, 3, 16)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: DatasetSpec("parquet", path=str(p / "no.parquet")), "does not exist"),
        (lambda p: DatasetSpec("folder", path=str(p / "no")), "does not exist"),
        (lambda p: write_folder(p / "empty", {"a/readme.txt": b"x"}), "holds no .jpg, .jpeg, .jfif, .png"),
        (lambda p: DatasetSpec("parquet", path=str(write_text(p / "t.parquet"))), "not a readable parquet file"),
        (lambda p: DatasetSpec("parquet", path=str(no_image(p / "n.parquet"))), "needs 'image'"),
        (lambda p: DatasetSpec("parquet", path=str(numbers(p / "i.parquet"))), "encoded JPEG, PNG or other"),
        (lambda p: write_parquet(p / "bad.parquet", [b"x"] * 3), "holds 0 readable images"),
        (lambda p: DatasetSpec("parquet", path=str(p)), r"holds no \*.parquet files"),
        (lambda p: DatasetSpec("folder", path=str(write_text(p / "f"))), "is a file, not a folder"),
    ],
)
def test_useless_data_is_refused_with_a_sentence(make, says, tmp_path):
    with pytest.raises(DatasetError, match=says):
        registry.load(make(tmp_path))


def write_text(path):
    path.write_text("not parquet")
    return path


def no_image(path):
    pq.write_table(pa.table({"picture": [b"x"]}), path)
    return path


def numbers(path):
    pq.write_table(pa.table({"image": [1, 2]}), path)
    return path


def test_every_name_has_a_data_set_and_parquet_files_two():
    assert {*registry.IMAGES, *registry.PAIRS} == set(get_args(DatasetName))
    assert set(registry.IMAGES) & set(registry.PAIRS) == {"parquet"}
    assert isinstance(registry.dataset(DatasetSpec("parquet", path="a")), ParquetImages)
    assert isinstance(registry.dataset(DatasetSpec("parquet", path="a", pairs=True)), ParquetPairs)


def test_a_set_of_images_and_one_of_pairs_are_kept_side_by_side():
    """Zero-shot classification looks at images while pairs are trained on."""
    digits, glyphs = DatasetSpec("digits"), DatasetSpec("glyphs")
    images, pairs = registry.load(digits), registry.load(glyphs)
    assert registry.load(digits) is images and registry.load(glyphs) is pairs
    assert registry.load(DatasetSpec("digits", limit=100)) is images
