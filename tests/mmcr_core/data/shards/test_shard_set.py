"""Counts and identity of a set of shards, here and at a URL."""

import json
import lzma
import os
import tarfile

import pytest

from mmcr_core.config.run import DatasetSpec
from mmcr_core.data import registry
from mmcr_core.data.image_set import ContentChanged, DatasetError
from mmcr_core.data.shards import metadata, urls
from mmcr_core.data.shards.loader import heldout
from tests.mmcr_core.data.shards.shard_data import gray, opened, reading, sample, served, write, write_set
from tests.mmcr_core.data.shards.shard_tokens import text_of


@pytest.mark.parametrize(("fraction", "expected"), [(0.001, (9, 1)), (0.25, (8, 2)), (0.999, (1, 9))])
def test_the_last_samples_are_held_out_at_least_one_on_either_side(fraction, expected, tmp_path):
    shards = opened(write_set(tmp_path / "s", [4, 3, 3]), heldout=fraction)
    assert (shards.train, shards.heldout) == expected
    assert sum(shards.training) == shards.train
    _, texts, _ = heldout(shards, 4)
    assert texts == [(f"n {i}",) for i in range(shards.train, 10)]


def test_the_digest_is_of_content_and_names_not_of_place_or_time(tmp_path):
    one, same = (opened(write_set(tmp_path / name, [3, 3])) for name in ("one", "same"))
    os.utime(tmp_path / "one" / "00000.tar", (1, 1))
    (tmp_path / "same" / "00001.tar").rename(tmp_path / "same" / "00002.tar")
    assert one.digest == opened(tmp_path / "one").digest == same.digest != opened(tmp_path / "same").digest


def test_shards_other_than_planned_are_refused(tmp_path):
    folder = write_set(tmp_path / "s", [3, 3])
    digest = opened(folder).digest
    assert opened(folder, digest=digest).digest == digest
    write(folder / "00001.tar", [one for i in (3, 4, 9) for one in sample(i)])
    with pytest.raises(ContentChanged, match="launch again"):
        opened(folder, digest=digest)


def test_headers_are_read_once(tmp_path, monkeypatch):
    folder = write_set(tmp_path / "s", [3, 3])
    first = opened(folder)
    monkeypatch.setattr(metadata, "walk_of", None)  # a second walk would fail
    assert opened(folder) == first


def test_a_set_that_cannot_be_kept_is_read_each_time(tmp_path, monkeypatch):
    folder = write_set(tmp_path / "s", [3, 3])
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert opened(folder) == opened(folder)


def test_keys_that_come_again_are_named_and_the_first_is_kept(tmp_path):
    file = write(tmp_path / "a.tar", [*sample(1, "k"), *sample(2, "k"), *sample(3), *sample(4)])
    shards = opened(file)
    assert shards.remarks == (
        f"shards {file}: 6 of 8 members are used; left out: 2 that come again with a key and kind of an earlier one "
        f"(a.tar: k.png, a.tar: k.txt)",
    )
    with reading(shards, points=2) as reader:
        _, tokens = reader.batch(0)
    assert {text_of(one[0]) for one in tokens} == {"n 1", "n 3"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is not a tar file"),
        (b"just text " * 200, "is not a tar file"),
        (bytes(10240), "has no pair"),
        (b"\x1f\x8b" + bytes(600), r"compressed \(gzip\); unpack it"),
        (lzma.compress(b"x" * 600), r"compressed \(xz\); unpack it"),
    ],
)
def test_a_file_that_is_no_tar_of_pairs_is_refused_by_name(content, says, tmp_path):
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(DatasetError, match=f"a.tar .*{says}"):
        opened(tmp_path)


@pytest.mark.parametrize("members", [[("1.png", b"x")], [("1.txt", b"x"), ("2.png", b"x")], [("1.cls", b"x")]])
def test_a_tar_without_a_pair_is_refused_by_name(members, tmp_path):
    write_set(tmp_path, [2])
    write(tmp_path / "bad.tar", members)
    with pytest.raises(DatasetError, match=r"bad.tar has no pair"):
        opened(tmp_path)


def test_one_sample_alone_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="holds 1 samples; at least 2"):
        opened(write_set(tmp_path, [1]))


def batches(shards):
    with reading(shards, processes=2) as reader:
        return [(pixels.tobytes(), tokens.tobytes()) for pixels, tokens in map(reader.batch, range(5))]


@pytest.mark.parametrize("etags", [False, True])
def test_a_url_reads_as_the_folder_does(etags, tmp_path):
    folder = write_set(tmp_path / "s", [6, 6])
    with served(folder, etags) as url:
        shards = opened(f"{url}/{{00000..00001}}.tar")
        assert [shard.by_etag for shard in shards.shards] == [etags] * 2
        assert batches(shards) == batches(opened(folder))
        assert (shards.digest == opened(folder).digest) == (not etags)
        assert opened(url).digest == shards.digest


def test_statistics_of_img2dataset_save_reading_a_url(tmp_path, monkeypatch):
    folder = write_set(tmp_path / "s", [6, 6])
    for number in range(2):
        (folder / f"{number:05d}_stats.json").write_text(json.dumps({"successes": 6, "count": 9}))
    with served(folder, etags=True) as url:
        with monkeypatch.context() as patch:
            patch.setattr(urls, "fetch", None)  # a copy would fail
            shards = opened(f"{url}/{{00000..00001}}.tar")
        assert batches(shards) == batches(opened(folder))


def counted_by_the_server(folder, count, key="caption"):
    """Shards of 3 samples each with img2dataset's statistics, captions under another `key`."""
    for number in range(count):
        described = json.dumps({key: "a"}).encode()
        members = [one for i in range(3) for one in ((f"{i}.png", gray(i)), (f"{i}.json", described))]
        write(folder / f"{number:05d}.tar", members)
        (folder / f"{number:05d}_stats.json").write_text('{"successes": 3}')
    return folder


def test_a_sample_of_shards_that_the_server_counts_is_tried_from_their_beginnings(tmp_path, monkeypatch):
    monkeypatch.setattr(metadata, "BEGINNING", 2048)  # less than a sample: it is read on
    monkeypatch.setattr(urls, "fetch", None)  # a copy would fail
    folder = counted_by_the_server(tmp_path, 7)
    asked = []
    beginning = urls.beginning
    monkeypatch.setattr(urls, "beginning", lambda url, count: asked.append(url[-9:]) or beginning(url, count))
    with served(folder, etags=True) as url:
        spec = DatasetSpec("shards", path=url)
        pixels, captions = registry.dataset(spec).sample(4)
    assert (tuple(pixels.shape), captions) == ((1, 4, 3, 4), ("a",))
    assert sorted(set(asked)) == ["00000.tar", "00002.tar", "00003.tar", "00004.tar", "00006.tar"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            None,
            r'00006.tar begins with 3 samples of which none can be used; .*its .json has no "caption"; its keys are',
        ),
        (b"\x1f\x8b" + bytes(6000), "00006.tar is compressed"),
        (b"<html>" + bytes(6000), "00006.tar is not a tar file"),
    ],
    ids=["captions under another key", "packed", "no tar"],
)
def test_shards_of_no_use_that_the_server_counts_are_refused_before_they_are_copied(content, says, tmp_path):
    folder = counted_by_the_server(tmp_path, 7)
    if content is None:
        counted_by_the_server(tmp_path / "other", 1, key="text")
        content = (tmp_path / "other/00000.tar").read_bytes()
    (folder / "00006.tar").write_bytes(content)
    with served(folder, etags=True) as url, pytest.raises(DatasetError, match=says):
        registry.dataset(DatasetSpec("shards", path=f"{url}/{{00000..00006}}.tar")).sample(4)


def test_statistics_that_are_wrong_are_found_when_the_shard_is_opened(tmp_path):
    folder = write_set(tmp_path / "s", [6])
    (folder / "00000_stats.json").write_text('{"successes": 7}')
    problem = r"00000.tar has 6 samples, but its _stats.json says 7"
    with (
        served(folder, etags=True) as url,
        reading(opened(f"{url}/00000.tar")) as reader,
        pytest.raises(DatasetError, match=problem),
    ):
        reader.batch(0)


@pytest.mark.parametrize("etags", [False, True])
def test_a_shard_that_changed_at_its_url_is_refused(etags, tmp_path):
    folder = write_set(tmp_path / "s", [6])
    with served(folder, etags) as url:
        shards = opened(f"{url}/00000.tar")
        write(folder / "00000.tar", [one for i in range(1, 7) for one in sample(i)])
        with reading(shards) as reader, pytest.raises(ContentChanged, match=r"00000.tar is not what"):
            reader.batch(0)


def test_a_url_without_the_shard_is_one_sentence(tmp_path):
    with (
        served(tmp_path, etags=True) as url,
        pytest.raises(DatasetError, match=r"00000.tar cannot be read \(there is no such file\)"),
    ):
        opened(f"{url}/00000.tar")


def test_an_unknown_kind_of_url_is_one_sentence():
    with pytest.raises(DatasetError, match="cannot be read \\(Unsupported filesystem: 'foo'"):
        opened("foo://host/00000.tar")


def test_a_server_that_fails_at_first_is_asked_again(tmp_path, monkeypatch):
    waited = []
    monkeypatch.setattr("time.sleep", waited.append)
    with served(write_set(tmp_path / "s", [6]), etags=True, failures=4) as url:  # each time by two requests
        assert opened(f"{url}/00000.tar").train == 5
    assert waited == [1, 2]


def test_what_is_no_part_of_a_sample_is_counted_over_all_shards(tmp_path):
    members = {
        "0": [*sample(1), *sample(2), ("x.v1.jpg", b"x")],
        "1": [*sample(3), ("y.v1.jpg", b"x"), ("3.cls", b"7")],
    }
    for name, content in members.items():
        write(tmp_path / f"{name}.tar", content)
    assert opened(tmp_path).remarks == (
        f"shards {tmp_path}: 6 of 9 members are used; left out: "
        "2 images with a dot in the key, which ends at the first one (0.tar: x.v1.jpg, 1.tar: y.v1.jpg); "
        "1 with suffix '.cls', which is not read (1.tar: 3.cls)",
    )


def test_links_are_counted_and_named(tmp_path):
    file = write(tmp_path / "a.tar", [*sample(1), *sample(2)])
    with tarfile.open(file, "a") as tar:
        for name, kind in (("3.png", tarfile.SYMTYPE), ("4.png", tarfile.LNKTYPE)):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, "absent.png"
            tar.addfile(link)
    assert opened(file).remarks == (
        f"shards {file}: 4 of 6 members are used; left out: 2 that are links, which are not followed "
        "(a.tar: 3.png, a.tar: 4.png)",
    )


@pytest.mark.parametrize(
    ("members", "decoding"),
    [
        (sample(1), None),
        ([("1.GIF", gray(3, kind="GIF")), ("1.txt", b"a")], 2),
        ([("1.bmp", gray(3, kind="BMP")), ("1.txt", b"a")], 2),
        ([("1.png", gray(3)), ("1.json", b'\xef\xbb\xbf{"caption": "a"}')], 2),
        ([("1.png", gray(3)), ("1.json", b'{"caption": "a"}')], None),
        ([("caf\u00e9.png", gray(3)), ("cafe\u0301.txt", b"a")], 2),
    ],
)
def test_samples_that_were_not_read_before_are_read_and_change_what_a_run_is(members, decoding, tmp_path):
    shards = opened(write(tmp_path / "a.tar", [*sample(7), *sample(8), *members]))
    assert (shards.train + shards.heldout, shards.remarks, shards.decoding) == (3, (), decoding)


def test_captions_under_another_key_are_refused_with_the_keys_there_are(tmp_path):
    members = [one for i in range(3) for one in ((f"{i}.png", gray(i)), (f"{i}.json", b'{"text": "a", "url": 1}'))]
    says = r'a.tar begins with 3 samples of which none can be used; .* 0: its .json has no "caption"; its keys are text'
    with pytest.raises(DatasetError, match=says):
        opened(write(tmp_path / "a.tar", members))
