"""Batches of a run on shards: the same by any number of processes, whatever is broken, and none after a change."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from mmcr_core.data.image_set import ContentChanged, DatasetError
from mmcr_core.data.shards.loader import heldout
from mmcr_core.data.shards.sampler import ShardOrder
from mmcr_core.rng import generator
from tests.conftest import REPOSITORY
from tests.mmcr_core.data.shards.shard_data import gray, opened, reading, sample, write, write_set
from tests.mmcr_core.data.shards.shard_tokens import failing, text_of

DEADLINE = 60  # seconds


def content(reader, steps):
    return [tuple(part.tobytes() for part in reader.batch(step)) for step in steps]


def texts(batch):
    return [[text_of(tokens) for tokens in captions] for captions in batch[1]]


def test_a_batch_has_the_chosen_samples_pixels_beside_their_captions(tmp_path):
    shards = opened(write_set(tmp_path / "s", [20, 30, 10]))
    first = np.cumsum([0, 20, 30])
    with reading(shards, points=10) as reader:
        for step in range(7):  # into the second epoch
            pixels, tokens = reader.batch(step)
            chosen = ShardOrder(shards.training, 10, 0, "epochs").chosen(step)
            numbers = [int(first[shard] + place) for shard, place in chosen]
            assert texts((pixels, tokens)) == [[f"n {number}"] for number in numbers]
            assert [int(image[0, 0, 0]) for image in pixels] == numbers
            assert pixels.shape == (10, 8, 3, 8)


@pytest.mark.parametrize("sampling", ["epochs", "replacement"])
def test_the_number_of_processes_and_jumps_change_no_byte(sampling, tmp_path):
    for number in range(12):
        members = [one for i in range(7 * number, 7 * number + 7) for one in sample(i)]
        members[0] = (members[0][0], b"no picture")
        write(tmp_path / "s" / f"{number:05d}.tar", members)
    shards = opened(tmp_path / "s")
    options = {"points": 9, "sampling": sampling}
    with reading(shards, **options) as reader:
        one, skipped = content(reader, range(20)), reader.skipped
    with reading(shards, **options, processes=3) as reader:
        assert content(reader, range(20)) == one
        assert reader.skipped == skipped != ()
        assert content(reader, [15, 3, 4, 19, 0]) == [one[step] for step in (15, 3, 4, 19, 0)]


def test_captions_of_an_image_are_drawn_without_replacement_by_its_place_in_the_run(tmp_path):
    many = b'{"caption": ["c0", "c1", "c2", "c3", "c4"]}'
    members = [one for i in range(9) for one in ((f"{i}.png", gray(i)), (f"{i}.json", many))]
    shards = opened(write(tmp_path / "a.tar", members))
    with reading(shards, captions=3) as reader:
        for step in range(3):
            for row, drawn in enumerate(texts(reader.batch(step))):
                order = generator(0, "captions", step * 4 + row).permutation(5)[:3]
                assert drawn == [f"c{i}" for i in order]
    with reading(shards, captions=7) as reader:
        for drawn in texts(reader.batch(0)):
            assert len(set(drawn[:5])) == 5
            assert drawn[5:] == drawn[:2]


def test_a_broken_sample_is_replaced_by_the_next_whole_one_and_named_once(tmp_path):
    members = [one for i in range(12) for one in sample(i)]
    members[2 * 3] = ("000003.png", b"no picture")
    members[2 * 4 + 1] = ("000004.txt", b"\xff")
    shards = opened(write(tmp_path / "a.tar", members), heldout=0.01)
    with reading(shards, points=11) as reader:
        for step in range(3):
            batch = reader.batch(step)
            assert sorted(texts(batch)) == sorted([[f"n {i}"] for i in (0, 1, 2, 5, 5, 5, 6, 7, 8, 9, 10)])
        assert sorted(reader.skipped) == [
            "a.tar: 000003: cannot identify image file",
            "a.tar: 000004: its caption is not UTF-8",
        ]


def test_the_last_sample_is_replaced_by_the_first_not_by_one_held_out(tmp_path):
    members = [one for i in range(4) for one in sample(i)]
    members[2 * 2] = ("000002.png", b"no picture")
    with reading(opened(write(tmp_path / "a.tar", members), heldout=0.25), points=3) as reader:
        assert sorted(texts(reader.batch(0))) == [["n 0"], ["n 0"], ["n 1"]]


@pytest.mark.parametrize("broken", [(0, 1, 2, 3, 5, 6, 7), (0, 2, 4, 6, 7)])
def test_a_shard_most_of_whose_samples_are_broken_ends_the_run(broken, tmp_path):
    members = [one for i in range(9) for one in sample(i)]
    for i in broken:
        members[2 * i] = (f"{i:06d}.png", b"no picture")
    shards = opened(write(tmp_path / "a.tar", members), heldout=0.1)
    with (
        reading(shards, points=8) as reader,
        pytest.raises(DatasetError, match=r"a.tar has mostly broken samples"),
    ):
        reader.batch(0)


def test_a_picture_too_large_is_broken_and_no_warning(tmp_path, capfd):
    bomb = gray(0, (1001, 1000), mode="1")
    members = [("0.png", bomb), ("0.txt", b"x"), *sample(1), *sample(2), *sample(3)]
    shards = opened(write(tmp_path / "a.tar", members), max_pixels=1_000_000)
    with reading(shards, points=3) as reader:
        reader.batch(0)
        assert reader.skipped == ("a.tar: 0: it has 1,001 x 1,000 pixels, more than 1,000,000",)
    assert capfd.readouterr().err == ""


def change(file: Path) -> None:
    members = [one for i in range(1, 1 + 6) for one in sample(i)]
    write(file, members)


def replace(file: Path) -> None:
    change(file.with_name("new"))
    file.with_name("new").rename(file)


OTHER = r"00000.tar is not what the launch read"
GONE = r"00000.tar cannot be read \(No such file or directory\); put it back"


@pytest.mark.parametrize(
    ("is_open", "harm", "error", "says"),
    [
        (False, change, ContentChanged, OTHER),
        (False, Path.unlink, DatasetError, GONE),
        (True, change, ContentChanged, OTHER),
        (True, replace, ContentChanged, OTHER),
        (True, lambda file: os.truncate(file, 3000), ContentChanged, OTHER),
        (True, Path.unlink, DatasetError, GONE),
    ],
)
def test_a_shard_that_changes_or_vanishes_is_noticed_before_and_while_it_is_open(is_open, harm, error, says, tmp_path):
    folder = write_set(tmp_path / "s", [6])
    with reading(opened(folder, heldout=0.4), points=4) as reader:
        if is_open:
            reader.batch(0)
        harm(folder / "00000.tar")
        with pytest.raises(error, match=says):
            content(reader, range(1, 40))


def test_a_shard_whose_times_alone_change_goes_on(tmp_path):
    folder = write_set(tmp_path / "s", [6])
    with reading(opened(folder), points=4) as reader:
        before = content(reader, range(3))
        os.utime(folder / "00000.tar", (1, 1))
        assert content(reader, range(3)) == before


def test_the_error_of_a_step_is_raised_when_it_is_asked_for_and_not_before(tmp_path):
    """Steps are begun ahead."""
    counts = [4] * 20
    folder = write_set(tmp_path / "s", counts)
    shards = opened(folder, heldout=0.01)
    order = ShardOrder(shards.training, 4, 0, "epochs")
    last = max(order.window(0) ^ order.window(15))
    first_seen = next(step for step in range(19) if last in order.chosen(step)[:, 0])
    (folder / f"{last:05d}.tar").unlink()
    with reading(shards, points=4) as reader:
        content(reader, range(first_seen))
        with pytest.raises(DatasetError):
            reader.batch(first_seen)


def test_more_points_than_samples_are_refused(tmp_path):
    with (
        pytest.raises(DatasetError, match="a batch has 40 samples, but the shards only 5"),
        reading(opened(write_set(tmp_path / "s", [6])), points=40),
    ):
        pass


def test_an_error_of_encode_is_told(tmp_path):
    with (
        reading(opened(write_set(tmp_path / "s", [6])), encode=failing) as reader,
        pytest.raises(RuntimeError, match="ValueError: no such word"),
    ):
        reader.batch(0)


def processes_of(reader):
    return [
        child.pid for child in psutil.Process().children(recursive=True) if "decode_worker" in " ".join(child.cmdline())
    ]


def test_a_process_that_is_killed_is_told_and_the_next_batch_starts_them_anew(tmp_path):
    with reading(opened(write_set(tmp_path / "s", [9])), processes=2) as reader:
        before = content(reader, range(2))
        os.kill(processes_of(reader)[0], signal.SIGKILL)
        with pytest.raises(RuntimeError, match="killed by signal 9"):
            content(reader, range(2, 200))
        assert content(reader, range(2)) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_to_the_whole_group_is_the_parents_to_answer(tmp_path, number):
    """As `timeout`, a batch system or a terminal sends it: the parent still needs its batches to reach a checkpoint."""
    with reading(opened(write_set(tmp_path / "s", [9])), processes=2) as reader:
        before = content(reader, range(20))
        for process in processes_of(reader):
            os.kill(process, number)
        assert content(reader, range(20)) == before


def test_closing_leaves_no_process_and_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with reading(opened(write_set(tmp_path / "s", [9])), processes=2) as reader:
        reader.batch(0)
        assert len(processes_of(reader)) == 2
        assert list(tmp_path.glob("mmcr-shards-*"))
    assert processes_of(reader) == []
    assert not list(tmp_path.glob("mmcr-shards-*"))


PARENT = """
import sys, tempfile
tempfile.tempdir = sys.argv[2]
from tests.mmcr_core.data.shards.shard_data import gray, opened, reading, sample, write, write_set
from tests.mmcr_core.data.shards.shard_tokens import failing, text_of
with reading(opened(sys.argv[1]), processes=2) as reader:
    for step in range(10**9):
        reader.batch(step)
        print(step, flush=True)
"""


def test_processes_that_are_killed_with_their_parent_leave_a_folder_to_the_next_reader(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = write_set(tmp_path / "s", [30])
    command = [sys.executable, "-c", PARENT, str(folder), str(tmp_path)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        together = [*psutil.Process(parent.pid).children(recursive=True), psutil.Process(parent.pid)]
        (left,) = tmp_path.glob("mmcr-shards-*")
        for process in together:
            process.suspend()
        for process in together:
            process.kill()
    psutil.wait_procs(together, timeout=DEADLINE)
    assert left.exists()
    with reading(opened(folder)) as one, reading(opened(folder)) as other:
        assert content(one, range(2)) == content(other, range(2))
        assert not left.exists()
        assert len(list(tmp_path.glob("mmcr-shards-*"))) == 2


def test_a_parent_that_is_killed_leaves_no_process_and_no_folder(tmp_path, monkeypatch):
    folder, temporary = write_set(tmp_path / "s", [30]), tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-c", PARENT, str(folder), str(temporary)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        for _ in range(3):
            parent.stdout.readline()
        children = psutil.Process(parent.pid).children(recursive=True)
        parent.kill()
    assert len(children) == 2
    assert psutil.wait_procs(children, timeout=DEADLINE)[1] == []
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with reading(opened(folder)) as reader:
        reader.batch(0)
    assert list(temporary.iterdir()) == []


def test_many_shards_are_read_with_few_open(tmp_path):
    folder = write_set(tmp_path / "s", [5] * 60)
    shards = opened(folder)
    with reading(shards, points=5) as reader:
        seen = set()
        for step in range(shards.train // 5):
            seen.update(text for (text,) in texts(reader.batch(step)))
            (pid,) = processes_of(reader)
            assert sum(file.path.endswith(".tar") for file in psutil.Process(pid).open_files()) <= 17
    assert len(seen) == shards.train


def test_held_out_samples_come_with_all_their_captions_and_broken_ones_are_left_out(tmp_path):
    members = [one for i in range(20) for one in sample(i)]
    members[2 * 17] = ("000017.png", b"no picture")
    members[2 * 18 + 1] = ("000018.json", b'{"caption": ["a", "b"]}')
    shards = opened(write(tmp_path / "a.tar", members), heldout=0.25)
    pixels, found, skipped = heldout(shards, 8)
    assert found == [("n 15",), ("n 16",), ("a", "b"), ("n 19",)]
    assert pixels[:, 0, 0, 0].tolist() == [15, 16, 18, 19]
    assert skipped == ("a.tar: 000017: cannot identify image file",)


def test_held_out_samples_are_bounded_and_evenly_spaced(tmp_path, monkeypatch):
    monkeypatch.setattr("mmcr_core.data.shards.loader.MOST_HELDOUT", 10)
    shards = opened(write_set(tmp_path / "s", [40, 40]), heldout=0.5)
    assert heldout(shards, 8)[1] == [(f"n {i}",) for i in range(40, 80, 4)]


def test_a_set_moved_elsewhere_gives_the_same_batches(tmp_path):
    shards = opened(write_set(tmp_path / "s", [6, 6]))
    shutil.copytree(tmp_path / "s", tmp_path / "elsewhere")
    with reading(shards) as one, reading(opened(tmp_path / "elsewhere")) as other:
        assert content(one, range(4)) == content(other, range(4))


def test_the_processes_do_without_torch(tmp_path):
    with reading(opened(write_set(tmp_path / "s", [9]))) as reader:
        reader.batch(0)
        (pid,) = processes_of(reader)
        assert not any("libtorch" in mapped.path for mapped in psutil.Process(pid).memory_maps())
