"""How shards are named in `path`."""

import pytest

from mmcr_core.data.image_set import DatasetError
from mmcr_core.data.shards.paths import expanded, places
from tests.mmcr_core.data.shards.shard_data import opened, sample, write, write_set


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("a{00..02}", ["a00", "a01", "a02"]),
        ("{8..11}", ["8", "9", "10", "11"]),
        ("{008..010}", ["008", "009", "010"]),
        ("{2..0}", ["2", "1", "0"]),
        ("{0..6..3}x", ["0x", "3x", "6x"]),
        ("{a,b}/{0..1}.tar", ["a/0.tar", "a/1.tar", "b/0.tar", "b/1.tar"]),
        ("s3://b/{x}{,y}", ["s3://b/{x}", "s3://b/{x}y"]),
    ],
)
def test_braces_mean_what_they_mean_in_a_shell(path, names):
    assert expanded(path) == names


def test_a_folder_a_file_and_braces_name_the_same_shards_by_the_same_names(tmp_path):
    write_set(tmp_path / "s", [2, 2, 2])
    (tmp_path / "s" / "notes.txt").write_text("passed over")
    spelt = opened(tmp_path / "s"), opened(tmp_path / "s" / "{00000..00002}.tar")
    assert spelt[0] == spelt[1]
    assert [place.name for place in places(str(tmp_path / "s" / "00001.tar"))] == ["00001.tar"]


def test_shards_of_several_folders_keep_them_in_their_names(tmp_path):
    for folder in "ab":
        write(tmp_path / folder / "0.tar", sample(1))
    assert [place.name for place in places(f"{tmp_path}/{{a,b}}/0.tar")] == ["a/0.tar", "b/0.tar"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("absent", "no such file or folder"),
        ("absent-{0..3}.tar", "no such file or folder"),
        ("s/{00000..00004}.tar", "names 5 shards, of which .*00003.tar, .*00004.tar are not there"),
        ("empty", "holds no .tar files"),
        ("pipe:cat s/00000.tar", "is a command, which is not run"),
        ("{0..99999999}.tar", "more than a million"),
    ],
)
def test_what_names_nothing_is_refused_with_what_would_be_right(path, says, tmp_path, monkeypatch):
    write_set(tmp_path / "s", [2, 2, 2])
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetError, match=says):
        places(path)
