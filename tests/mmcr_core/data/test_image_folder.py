"""Folders of images as users make them: with links, hidden files, broken names."""

import hashlib
import os

import pytest

from mmcr_core.data import registry
from mmcr_core.data.image_set import DatasetError
from tests.mmcr_core.data.custom_data import encoded, write_folder


@pytest.fixture(autouse=True)
def _nothing_kept():
    registry.forget()


def class_files(*names, count=3):
    return {f"{name}/{i}.png": encoded(seed=i + 10 * n) for n, name in enumerate(names) for i in range(count)}


def labels_of(spec):
    images = registry.load(spec)
    return sorted([*images.train_labels.tolist(), *images.heldout_labels.tolist()])


def test_linked_class_folders_are_part_of_the_set_and_of_its_digest(tmp_path):
    whole = write_folder(tmp_path / "whole", class_files("cat", "dog"))
    linked = write_folder(tmp_path / "linked", {})
    (tmp_path / "linked").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "linked" / name).symlink_to(tmp_path / "whole" / name)
    assert labels_of(linked) == [0, 0, 0, 1, 1, 1]
    assert registry.content_digest(linked) == registry.content_digest(whole)
    (tmp_path / "whole/cat/0.png").write_bytes(encoded(seed=99))
    assert registry.content_digest(linked) == registry.content_digest(whole)


def test_a_loop_of_links_ends(tmp_path):
    spec = write_folder(tmp_path / "images", class_files("cat"))
    (tmp_path / "images/cat/up").symlink_to(tmp_path / "images")
    (tmp_path / "images/itself").symlink_to(tmp_path / "images/itself")
    images = registry.load(spec)
    assert len(images.train) + len(images.heldout) == 3
    assert len(images.skipped) == 1 and images.skipped[0].startswith("itself: ")


def test_hidden_files_and_folders_are_neither_classes_nor_images(tmp_path):
    plain = write_folder(tmp_path / "plain", class_files("cat", "dog"))
    hidden = {".git/1.png": encoded(), "cat/.ipynb_checkpoints/1.png": encoded(), "dog/._0.png": b"\0\5\26\7"}
    spec = write_folder(tmp_path / "images", class_files("cat", "dog") | hidden)
    assert labels_of(spec) == [0, 0, 0, 1, 1, 1]
    assert registry.load(spec).skipped == ()
    assert registry.content_digest(spec) == registry.content_digest(plain)


def test_links_that_lead_nowhere_are_named_and_skipped(tmp_path):
    spec = write_folder(tmp_path / "images", class_files("cat"))
    (tmp_path / "images/cat/gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "images/dog").symlink_to(tmp_path / "nowhere")
    images = registry.load(spec)
    assert images.skipped == ("cat/gone.png: No such file or directory", "dog: No such file or directory")
    assert len(registry.content_digest(spec)) == 64


def test_names_that_are_not_utf8_are_read_and_shown_escaped(tmp_path):
    spec = write_folder(tmp_path / "images", class_files("cat"))
    odd = os.fsencode(tmp_path / "images/cat") + b"/caf\xe9.png"
    with open(odd, "wb") as stream:
        stream.write(b"broken")
    content = hashlib.sha256()
    for name in (b"cat/0.png", b"cat/1.png", b"cat/2.png", b"cat/caf\xe9.png"):
        with open(os.fsencode(tmp_path / "images/") + b"/" + name, "rb") as stream:
            image = stream.read()
        content.update(name + b"\0%d\0" % len(image) + image)
    assert registry.content_digest(spec) == content.hexdigest()
    (skipped,) = registry.load(spec).skipped
    assert skipped == r"cat/caf\xe9.png: cannot identify image file"


def test_suffixes_are_read_in_either_case_and_webp_too(tmp_path):
    files = {"a/1.PNG": encoded(), "a/2.JPEG": encoded(kind="JPEG"), "a/3.webp": encoded(kind="WEBP"), "a/4.txt": b"x"}
    spec = write_folder(tmp_path / "images", files)
    images = registry.load(spec)
    assert len(images.train) + len(images.heldout) == 3
    assert registry.count(spec) == (2, 1)


def test_each_file_is_read_once(tmp_path, monkeypatch):
    from pathlib import Path

    spec = write_folder(tmp_path / "images", class_files("cat", "dog"))
    read, read_bytes = [], Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path.name) or read_bytes(path))
    registry.load(spec)
    assert len(read) == 6


def test_a_single_image_is_refused_where_it_is_counted(tmp_path):
    with pytest.raises(DatasetError, match="holds 1 images; at least 2 are needed"):
        registry.count(write_folder(tmp_path / "images", {"a/1.png": encoded()}))
