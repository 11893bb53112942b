"""Decoded images of a user's own files are kept on disk, known by their content."""

from dataclasses import replace

import pytest
import torch

from mmcr_core.data import custom_images, decoded_cache, registry
from mmcr_core.data.image_set import ContentChanged
from tests.mmcr_core.data.custom_data import encoded, write_folder, write_parquet

FOLDER = "mmcr-sweeps/decoded"


@pytest.fixture(autouse=True)
def _nothing_kept():
    registry.forget()


@pytest.fixture(params=["folder", "parquet"])
def files(tmp_path, request):
    """A set with classes and one image that cannot be read, its digest known, as a launch writes it."""
    images = [encoded(seed=seed) for seed in range(12)]
    images[5] = images[5][:60]
    if request.param == "folder":
        spec = write_folder(tmp_path / "f", {f"{i % 2}/{i:02d}.png": image for i, image in enumerate(images)})
    else:
        spec = write_parquet(tmp_path / "a.parquet", images, [i % 2 for i in range(12)])
    return replace(spec, digest=registry.content_digest(spec))


@pytest.fixture
def decoded(monkeypatch):
    """How many images were decoded so far."""
    seen, decode = [], custom_images.decode
    monkeypatch.setattr(custom_images, "decode", lambda *given, **options: seen.append(1) or decode(*given, **options))
    return seen


def fresh(spec):
    """As another process would load it."""
    registry.forget()
    return registry.load(spec)


def same(one, other):
    tensors = ("train", "train_labels", "heldout", "heldout_labels")
    return one.skipped == other.skipped and all(torch.equal(getattr(one, t), getattr(other, t)) for t in tensors)


def test_a_set_is_decoded_once_and_is_what_it_is_without_the_cache(files, decoded):
    plain = fresh(replace(files, digest=None))
    assert (len(plain.train), len(plain.heldout), len(plain.skipped)) == (10, 1, 1)
    del decoded[:]
    assert same(fresh(files), plain) and len(decoded) == 12
    assert same(fresh(files), plain) and same(fresh(replace(files, limit=4)), plain) and len(decoded) == 12
    fresh(replace(files, size=6))
    fresh(replace(files, heldout=0.3))
    assert len(decoded) == 36


def test_what_is_kept_takes_no_time_in_a_plan(files):
    assert registry.load_seconds(files) > 0
    fresh(files)
    assert registry.load_seconds(replace(files, limit=4)) == 0


def test_files_that_have_changed_are_refused_though_their_images_are_kept(files, tmp_path):
    fresh(files)
    (tmp_path / "f/0/00.png").write_bytes(encoded(seed=99)) if files.name == "folder" else write_parquet(
        tmp_path / "a.parquet", [encoded(seed=99)] * 12
    )
    with pytest.raises(ContentChanged):
        fresh(files)


@pytest.mark.parametrize("file", ["pixels.npy", "labels.npy", "facts.json"])
def test_an_entry_that_cannot_be_read_is_made_anew(files, tmp_path, decoded, file):
    plain = fresh(replace(files, digest=None))
    fresh(files)
    (damaged,) = (tmp_path / "cache" / FOLDER).glob(f"*/{file}")
    (tmp_path / "half").write_bytes(damaged.read_bytes()[:20])
    (tmp_path / "half").rename(damaged)
    assert same(fresh(files), plain) and len(decoded) == 36
    assert same(fresh(files), plain) and len(decoded) == 36


def test_where_nothing_can_be_kept_images_are_decoded_each_time(files, tmp_path, decoded, monkeypatch):
    plain = fresh(replace(files, digest=None))
    monkeypatch.setattr(decoded_cache, "SHARE", 0.0)  # a full disk
    assert same(fresh(files), plain) and same(fresh(files), plain) and len(decoded) == 36
    (tmp_path / "cache" / "mmcr-sweeps" / "digests").rename(tmp_path / "elsewhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere" / "file" / "cache"))
    (tmp_path / "elsewhere" / "file").write_text("")
    assert same(fresh(files), plain) and len(decoded) == 48


def test_the_entries_used_last_the_longest_ago_make_room(tmp_path, monkeypatch):
    sets = [write_folder(tmp_path / str(n), {f"{i}.png": encoded(seed=10 * n + i) for i in range(4)}) for n in range(3)]
    sets = [replace(each, digest=registry.content_digest(each)) for each in sets]
    fresh(sets[0]), fresh(sets[1])
    folder = tmp_path / "cache" / FOLDER
    one = sum(file.stat().st_size for file in next(path for path in folder.iterdir() if path.is_dir()).iterdir())
    fresh(sets[0])
    monkeypatch.setattr(decoded_cache, "LARGEST", int(2.5 * one))
    fresh(sets[2])
    assert [registry.load_seconds(each) == 0 for each in sets] == [True, False, True]
