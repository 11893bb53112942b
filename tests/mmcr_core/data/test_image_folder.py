"""Folders of images as users make them: with links, hidden files, broken names."""

import hashlib
import os

import pytest
from PIL import Image

from mmcr_core.data import registry
from mmcr_core.data.image_set import DatasetError
from tests.mmcr_core.data.custom_data import encoded, saved, write_folder


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
    with pytest.raises(DatasetError, match="holds too few images: 1 of at least 2"):
        registry.count(write_folder(tmp_path / "images", {"a/1.png": encoded()}))


def test_every_suffix_is_read_in_any_case_and_the_others_are_counted(tmp_path):
    kinds = {"jpg": "JPEG", "JPEG": "JPEG", "jfif": "JPEG", "Png": "PNG", "webp": "WEBP", "BMP": "BMP", "tif": "TIFF"}
    files = {f"a/{i}.{suffix}": encoded(kind=kind) for i, (suffix, kind) in enumerate(kinds.items())}
    files |= {"a/8.TIFF": encoded(kind="TIFF"), "a/9.gif": encoded(mode="L", kind="GIF")}
    spec = write_folder(tmp_path / "images", files | {"a/10.heic": b"x", "b.txt": b"x", "a/bad.png": b"no picture"})
    assert registry.load(spec).skipped == ("a/bad.png: cannot identify image file",)
    assert registry.count(spec) == (8, 1)
    assert registry.remarks(spec) == (
        f"folder {spec.path}: 9 of 12 files are used; left out: "
        "1 with suffix '.heic', which is not read (a/10.heic); "
        "1 unreadable: cannot identify image file (a/bad.png); "
        "1 with suffix '.txt', which is not read (b.txt)",
    )


def test_folders_of_splits_are_named_as_the_labels_that_they_are(tmp_path):
    files = {
        f"{split}/{name}": image for split in ("train", "Val") for name, image in class_files("cat", "dog").items()
    }
    spec = write_folder(tmp_path / "images", files)
    assert registry.remarks(spec) == (
        f"folder {spec.path}: labels are its first folders (Val, train), not the folders in them; to train on one "
        "split, with its own classes, add its name to path, such as /train",
    )
    one = write_folder(tmp_path / "images/train", {})
    assert registry.remarks(one) == () and labels_of(one) == [0, 0, 0, 1, 1, 1]
    assert registry.remarks(write_folder(tmp_path / "classes", class_files("test", "train"))) == ()


def test_images_beside_class_folders_are_named_as_unlabeled(tmp_path):
    spec = write_folder(tmp_path / "images", class_files("cat") | {"1.png": encoded(), "2.png": encoded()})
    assert registry.remarks(spec) == (
        f"folder {spec.path}: 2 images lie in no class folder and have no label (1.png, 2.png)",
    )
    assert registry.remarks(write_folder(tmp_path / "flat", {f"{i}.png": encoded() for i in range(3)})) == ()


def test_a_class_whose_images_are_all_of_a_kind_that_is_not_read_is_an_error(tmp_path):
    spec = write_folder(tmp_path / "images", class_files("cat") | {"dog/1.heic": b"x", "dog/2.HEIC": b"x"})
    with pytest.raises(DatasetError, match=r"class 'dog' has no image that can be read, and 2 .* such as dog/1.heic"):
        registry.require_present(spec)
    registry.require_present(write_folder(tmp_path / "other", class_files("cat") | {"docs/readme.txt": b"x"}))


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(Image.new("RGB", (12, 12)), exif=exif)


@pytest.mark.parametrize(
    ("image", "decoding"),
    [
        (lambda: encoded(mode="L"), None),
        (lambda: encoded((12, 96)), None),
        (lambda: turned(1), None),
        (lambda: encoded((12, 97)), 2),
        (lambda: turned(6), 2),
        (lambda: saved(Image.new("F", (2, 2)), "TIFF"), 2),
        (lambda: saved(Image.new("I", (2, 2)), "TIFF"), 2),
        (lambda: saved(Image.new("I;16", (2, 2))), None),
    ],
)
def test_only_images_that_were_decoded_otherwise_before_change_what_a_run_is(image, decoding, tmp_path):
    spec = write_folder(tmp_path / "images", class_files("cat") | {"cat/x.png": image()})
    assert registry.identified(spec).decoding == decoding
    assert registry.identified(spec).digest == registry.content_digest(spec)


def test_turned_images_are_counted(tmp_path):
    spec = write_folder(tmp_path / "images", class_files("cat") | {"cat/x.png": turned(6)})
    assert registry.remarks(spec) == (
        f"folder {spec.path}: 1 images are turned as their EXIF orientation says (cat/x.png)",
    )
