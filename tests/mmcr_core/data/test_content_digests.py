"""The digest of a user's own files: what it follows, that it is kept, and that loading checks it."""

import hashlib
import json
import os
import shutil
from dataclasses import replace

import pytest

from mmcr_core.data import registry
from mmcr_core.data.image_set import DatasetError
from tests.mmcr_core.data.custom_data import encoded, write_folder, write_parquet


@pytest.fixture(autouse=True)
def _nothing_kept():
    registry.forget()


def test_the_digest_follows_content_and_not_place_or_time(tmp_path):
    files = {f"a/{i}.png": encoded(seed=i) for i in range(3)}
    one, moved = write_folder(tmp_path / "one", files), write_folder(tmp_path / "moved", files)
    digest = registry.content_digest(one)
    assert registry.content_digest(moved) == digest
    os.utime(tmp_path / "one/a/1.png", (1, 1))
    assert registry.content_digest(one) == digest
    (tmp_path / "one/a/1.png").write_bytes(encoded(seed=9))
    assert registry.content_digest(one) != digest
    shutil.move(tmp_path / "moved/a/2.png", tmp_path / "moved/a/3.png")
    assert registry.content_digest(moved) != digest


def test_a_parquet_digest_is_the_sha256_of_its_bytes_and_is_cached(tmp_path):
    spec = write_parquet(tmp_path / "a.parquet", [encoded()] * 3)
    expected = hashlib.sha256((tmp_path / "a.parquet").read_bytes()).hexdigest()
    assert registry.content_digest(spec) == expected
    (cached,) = (tmp_path / "cache" / "mmcr-sweeps" / "digests").iterdir()
    cached.write_text(json.dumps(["0" * 64, None, 3, []]))
    assert registry.content_digest(spec) == "0" * 64


def test_a_kept_digest_that_was_cut_off_is_read_anew(tmp_path):
    spec = write_parquet(tmp_path / "a.parquet", [encoded()] * 3)
    digest = registry.content_digest(spec)
    (kept,) = (tmp_path / "cache" / "mmcr-sweeps" / "digests").iterdir()
    kept.write_bytes(b"")
    assert registry.content_digest(spec) == digest


@pytest.mark.parametrize("cache", ["a file", "no home", "not writable"])
def test_without_a_cache_folder_the_files_are_read_each_time(cache, tmp_path, monkeypatch):
    spec = write_parquet(tmp_path / "a.parquet", [encoded()] * 3)
    monkeypatch.setenv(
        "XDG_CACHE_HOME", {"a file": str(tmp_path / "a.parquet"), "not writable": "/proc"}.get(cache, "")
    )
    if cache == "no home":
        monkeypatch.setenv("HOME", "")
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as where the user has no entry either
    assert registry.content_digest(spec) == hashlib.sha256((tmp_path / "a.parquet").read_bytes()).hexdigest()


def write(kind, place, seeds):
    images = [encoded((8, 8), kind="BMP", seed=seed) for seed in seeds]  # all of one size in bytes
    if kind == "parquet":
        return write_parquet(place, images)
    return write_folder(place, {f"a/{i}.png": image for i, image in enumerate(images)})


@pytest.mark.parametrize("kind", ["folder", "parquet"])
def test_content_that_changed_after_the_launch_is_refused(kind, tmp_path):
    spec = write(kind, tmp_path / "data", range(3))
    launched = replace(spec, digest=registry.content_digest(spec))
    assert len(registry.load(launched).train) == 2
    registry.forget()
    write(kind, tmp_path / "data", range(1, 4))
    says = rf"{'file' if kind == 'parquet' else kind} .*data is not what the launch read .*; launch again"
    with pytest.raises(DatasetError, match=says):
        registry.load(launched)
    assert len(registry.load(replace(launched, digest=registry.content_digest(spec))).train) == 2


@pytest.mark.parametrize("kind", ["folder", "parquet"])
def test_a_change_that_keeps_size_and_time_is_seen_by_the_next_launch_and_by_loading(kind, tmp_path):
    spec = write(kind, tmp_path / "data", range(3))
    file = tmp_path / "data" / "a" / "0.png" if kind == "folder" else tmp_path / "data"
    before, digest = file.stat(), registry.content_digest(spec)
    flip_a_bit(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(DatasetError, match="not what the launch read"):
        registry.load(replace(spec, digest=digest))
    assert registry.content_digest(spec) != digest


def test_a_kept_digest_that_loading_finds_wrong_is_let_go_of(tmp_path):
    spec = write_parquet(tmp_path / "a.parquet", [encoded()] * 3)
    digest = registry.content_digest(spec)
    (kept,) = (tmp_path / "cache" / "mmcr-sweeps" / "digests").iterdir()
    kept.write_text(json.dumps(["0" * 64, None, 3, []]))  # as on a file system that shows no change
    with pytest.raises(DatasetError, match="not what the launch read"):
        registry.load(replace(spec, digest=registry.content_digest(spec)))
    assert registry.content_digest(spec) == digest


def test_a_file_that_is_replaced_while_it_is_read_is_read_to_its_end(tmp_path, monkeypatch):
    spec = write_parquet(tmp_path / "a.parquet", [encoded(seed=i) for i in range(3)])
    launched = replace(spec, digest=registry.content_digest(spec))
    expected = registry.load(launched)
    registry.forget()
    after_hashing(monkeypatch, lambda: write_and_move(tmp_path))
    assert registry.load(launched).train.equal(expected.train)


def test_a_file_that_is_written_to_while_it_is_read_is_refused(tmp_path, monkeypatch):
    spec = write("parquet", tmp_path / "data", range(3))
    launched = replace(spec, digest=registry.content_digest(spec))
    after_hashing(monkeypatch, lambda: flip_a_bit(tmp_path / "data"))
    with pytest.raises(DatasetError, match="not what the launch read"):
        registry.load(launched)


def flip_a_bit(file):
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)


def after_hashing(monkeypatch, act):
    """Do something between hashing and decoding."""
    file_digest = hashlib.file_digest

    def hash_and_act(*arguments):
        digest = file_digest(*arguments)
        act()
        return digest

    monkeypatch.setattr(hashlib, "file_digest", hash_and_act)


def write_and_move(folder):
    write_parquet(folder / "b.parquet", [encoded(seed=i) for i in range(5, 8)])
    (folder / "b.parquet").rename(folder / "a.parquet")


def test_data_without_a_digest_is_loaded_as_it_is(tmp_path):
    spec = write("parquet", tmp_path / "data", range(3))
    assert len(registry.load(spec).train) == 2
