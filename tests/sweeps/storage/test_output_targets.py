"""Outputs go to where a person's name for them leads."""

import os
import resource
import threading
from pathlib import Path

import pytest

from sweeps.storage.output_targets import new_folder, write_target


def test_absent_and_regular_files_are_written_whole(tmp_path):
    file = tmp_path / "new" / "table.csv"
    for content in (b"first", b"2"):
        write_target(file, content)
        assert file.read_bytes() == content
    assert os.listdir(file.parent) == ["table.csv"]


@pytest.mark.parametrize("there", [True, False], ids=["to a file", "to nothing yet"])
def test_a_link_stays_a_link(tmp_path, there):
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "table.csv"
    if there:
        target.write_text("old")
    first, second = tmp_path / "link.csv", tmp_path / "again.csv"
    first.symlink_to("elsewhere/table.csv")
    second.symlink_to(first)
    write_target(second, b"new")
    assert (first.is_symlink(), second.is_symlink(), target.read_bytes()) == (True, True, b"new")


def test_a_pipe_is_written_through(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to(pipe)
    for name in ("pipe", "link"):
        reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
        reader.start()
        write_target(tmp_path / name, b"rows")
        reader.join()
    assert read == [b"rows", b"rows"] and pipe.is_fifo()


def test_what_a_process_has_open_is_added_to_and_never_replaced(tmp_path):
    """As where a link leads to /dev/stdout, and that to a file of the shell's `>>`."""
    log = tmp_path / "log"
    log.write_bytes(b"before ")
    with log.open("ab") as stream:
        link = tmp_path / "stdout"
        link.symlink_to(f"/proc/self/fd/{stream.fileno()}")
        node = log.stat().st_ino
        write_target(link, b"rows")
    assert (log.read_bytes(), log.stat().st_ino, link.is_symlink()) == (b"before rows", node, True)


def test_a_dash_is_standard_output(tmp_path, capfdbinary, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_target(Path("-"), b"rows\n")
    assert capfdbinary.readouterr().out == b"rows\n"
    assert os.listdir() == []


def test_a_limit_on_the_size_of_files_names_the_file_and_leaves_what_was_there(tmp_path):
    (tmp_path / "table").write_bytes(b"whole")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as raised:
            write_target(tmp_path / "table", bytes(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert raised.value.filename == str(tmp_path / "table")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("table", b"whole")]


@pytest.mark.parametrize("there", [False, True], ids=["absent", "empty"])
def test_a_new_folder_has_its_name_when_it_is_whole_and_nothing_is_left_of_a_failure(tmp_path, there):
    target = tmp_path / "new"
    if there:
        target.mkdir()
    for error in (OSError, KeyboardInterrupt):
        with pytest.raises(error), new_folder(target) as folder:
            (folder / "runs").mkdir(parents=True)
            (folder / "runs" / "1").write_text("1")
            (folder / "card").write_text("card")
            raise error
        assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["new"] * there
    with new_folder(target) as folder:
        (folder / "runs").mkdir(parents=True)
        assert there or not target.exists()
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["new", "new/runs"]
