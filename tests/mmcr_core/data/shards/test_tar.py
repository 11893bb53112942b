"""Tars of webdataset's writers and of plain tar are read alike, as Python's tarfile reads them."""

import os
import subprocess
import tarfile

import pytest
import webdataset

from mmcr_core.data.shards.index import index
from mmcr_core.data.shards.tar import walk
from tests.mmcr_core.data.shards.shard_data import gray, opened, sample, write


def walked(file):
    content = file.read_bytes()
    return walk(lambda offset, count: content[offset : offset + count], len(content))


def content_of(file):
    """Name -> bytes of the members, by our offsets."""
    content = file.read_bytes()
    return {name: content[offset : offset + size] for name, offset, size in walked(file).members}


LONG = "d" * 90 + "/" + "n" * 200
NAMES = ["plain.png", "./dotted.png", "a/b/c.png", f"{LONG}.png", "grüße.txt", "d" * 90 + "/" + "e" * 60 + ".txt"]


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_format_gives_the_members_that_tarfile_gives(format, tmp_path):
    members = [(name, name.encode() * 40) for name in NAMES]
    file = write(tmp_path / "a.tar", members, format=format)
    assert content_of(file) == dict(members)
    assert walked(file).damage is None


def test_ustar_prefixes_are_read(tmp_path):
    members = [(name, name.encode()) for name in NAMES if LONG not in name and name.isascii()]
    assert content_of(write(tmp_path / "a.tar", members, format=tarfile.USTAR_FORMAT)) == dict(members)


@pytest.mark.parametrize("options", [[], ["--format=pax"], ["--format=ustar"], ["--format=v7"], ["--format=oldgnu"]])
def test_plain_tar_with_folders_and_hard_links_reads_as_webdatasets_writer_does(options, tmp_path):
    folder = tmp_path / "folder" / "deep"
    folder.mkdir(parents=True)
    for i in range(4):
        for name, content in sample(i):
            (folder / name).write_bytes(content)
    os.link(folder / "000000.txt", folder / "000004.txt")
    os.link(folder / "000001.png", folder / "000004.png")
    subprocess.run(["tar", "cf", tmp_path / "plain.tar", *options, "."], cwd=tmp_path / "folder", check=True)
    with webdataset.TarWriter(str(tmp_path / "web.tar")) as writer:
        for i, (picture, text) in enumerate([(0, 0), (1, 1), (2, 2), (3, 3), (1, 0)]):
            writer.write({"__key__": f"deep/{i:06d}", "png": gray(picture), "txt": f"n {text}"})

    def pairs(file):
        content, found = file.read_bytes(), index(walked(file).members)
        read = [[content[offset : offset + size] for offset, size in places[:2]] for places in found.places]
        return dict(zip(found.keys, read, strict=True))

    assert pairs(tmp_path / "plain.tar") == pairs(tmp_path / "web.tar")
    assert len(pairs(tmp_path / "web.tar")) == 5


def test_sizes_in_base_256_are_read(tmp_path):
    file = write(tmp_path / "a.tar", sample(1))
    content = bytearray(file.read_bytes())
    size = int(content[124:135], 8)
    content[124:136] = b"\x80" + size.to_bytes(11)
    content[148:156] = b" " * 8
    content[148:156] = f"{sum(content[:512]):06o}\0 ".encode()
    file.write_bytes(content)
    assert content_of(file) == dict(sample(1))


def test_the_checksum_sees_a_picture_of_equal_size_and_ignores_where_the_file_lies(tmp_path):
    png = bytes(5000)
    one = write(tmp_path / "a.tar", [("1.png", png + b"x"), ("1.txt", b"abc")])
    same = write(tmp_path / "b" / "c.tar", [("1.png", png + b"x"), ("1.txt", b"abc")])
    other = write(tmp_path / "d.tar", [("1.png", png + b"y"), ("1.txt", b"abc")])
    assert walked(one).checksum == walked(same).checksum != walked(other).checksum


def test_keys_end_at_the_first_dot_and_case_of_suffixes_does_not_matter(tmp_path):
    members = [("a.b.png", b"1"), ("c.JPG", b"2"), ("c.Txt", b"3"), ("._d.jpg", b"4"), ("d.cls", b"5"), ("e.txt", b"6")]
    found = index(walked(write(tmp_path / "a.tar", members)).members)
    assert (found.keys, found.captioned.tolist()) == (("c",), [True])
    assert {reason: some.number for reason, some in found.left_out.items()} == {
        "images with a dot in the key, which ends at the first one": 1,
        "whose name begins with a dot": 1,
        "with suffix '.cls', which is not read": 1,
        "captions without an image of the same key": 1,
    }


def test_samples_before_a_cut_are_used_and_the_cut_is_named(tmp_path):
    file = write(tmp_path / "a.tar", [one for i in range(5) for one in sample(i)])
    at = next(member.offset for member in walked(file).members if member.name == "000003.png")
    file.write_bytes(file.read_bytes()[: at + 10])
    shards = opened(file)
    assert shards.train + shards.heldout == 3
    assert shards.remarks == ("a.tar is cut off within '000003.png': the 3 samples before are used",)


def test_a_damaged_header_is_named_with_its_place(tmp_path):
    file = write(tmp_path / "a.tar", [one for i in range(5) for one in sample(i)])
    content = bytearray(file.read_bytes())
    at = next(member.offset for member in walked(file).members if member.name == "000003.png") - 512
    content[at + 20] ^= 1
    file.write_bytes(content)
    assert f"is cut off or damaged from byte {at:,} on" in opened(file).remarks[0]


def test_a_tar_without_its_end_blocks_is_read_and_named(tmp_path):
    file = write(tmp_path / "a.tar", sample(1) + sample(2))
    last = walked(file).members[-1]
    file.write_bytes(file.read_bytes()[: last.offset + 512])
    assert opened(file).remarks == (
        "a.tar has no empty blocks at its end, as one that is cut off: the 2 samples before are used",
    )


@pytest.mark.parametrize("format", ["--format=gnu", "--format=pax"])
@pytest.mark.parametrize("holes", [2, 40])  # 40 need blocks of the map behind the header
def test_sparse_files_are_counted_and_those_behind_them_are_read(holes, format, tmp_path):
    with open(tmp_path / "3.png", "wb") as stream:
        for number in range(holes):
            stream.seek(number << 17)
            stream.write(b"image")
    (tmp_path / "3.txt").write_text("three")
    names = ["3.png", "3.txt"]
    for name, content in [*sample(4), *sample(5)]:
        (tmp_path / name).write_bytes(content)
        names.append(name)
    subprocess.run(["tar", "--sparse", format, "-cf", "b.tar", *names], cwd=tmp_path, check=True)
    (shard,) = opened(tmp_path / "b.tar").shards
    assert shard.samples == 2
    (remark,) = opened(tmp_path / "b.tar").remarks
    assert "4 of 6 members are used" in remark
    assert "1 that are sparse files, which are not read; write the tar without --sparse (b.tar: 3.png)" in remark


def test_tars_written_one_after_another_are_all_read(tmp_path):
    parts = [write(tmp_path / f"{name}.part", sample(number)).read_bytes() for number, name in enumerate("abc")]
    (tmp_path / "a.tar").write_bytes(b"".join(parts))
    assert sorted(content_of(tmp_path / "a.tar")) == sorted(name for i in range(3) for name, _ in sample(i))
    assert opened(tmp_path / "a.tar").remarks == ("a.tar is 3 tars in one file, all of which are read",)
    (tmp_path / "b.tar").write_bytes(parts[0] + parts[1] + b"garbage" * 100)
    assert opened(tmp_path / "b.tar").remarks[1] == "b.tar ends with 700 bytes that are no tar and are not read"


def test_empty_blocks_behind_the_end_are_neither_members_nor_unread(tmp_path):
    file = write(tmp_path / "a.tar", sample(1))
    once = walked(file)
    file.write_bytes(file.read_bytes()[: -5 * 512])
    shorter = walked(file)
    assert once.members == shorter.members and once.archives == shorter.archives == 1 and once.unread == 0
