"""What a command makes of an exception: one sentence and an exit code."""

import errno
import re
from pathlib import Path

import pytest
import typer

from sweeps.cli.app import guarded
from sweeps.cli.errors import UserError


def left_by(error, capsys):
    @guarded
    def command():
        raise error

    with pytest.raises(SystemExit) as raised:
        command()
    return raised.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (UserError("grid.yaml:3: P: wrong; use another"), 2, "grid.yaml:3: P: wrong; use another\n"),
        (PermissionError(errno.EACCES, "Permission denied", "/x/y"), 2, "/x/y: Permission denied\n"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "a file: No space left on device\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
    ids=["user", "permission", "disk full", "ctrl-c"],
)
def test_mistakes_and_interruptions_are_one_sentence(error, code, says, capsys):
    assert left_by(error, capsys) == (code, says)


def test_a_defect_is_one_sentence_that_says_where_its_traceback_lies(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, said = left_by(KeyError("what\never"), capsys)
    assert code == 1 and said.count("\n") == 1
    (log,) = re.findall(r"please report it with (\S+\.log):", said)
    text = Path(log).read_text()
    assert text.startswith("Traceback") and "in command" in text


def test_typers_own_exits_pass():
    @guarded
    def command():
        raise typer.Exit(3)

    with pytest.raises(typer.Exit) as raised:
        command()
    assert raised.value.exit_code == 3
