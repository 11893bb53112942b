"""What a command makes of an exception: one sentence and an exit code."""

import errno
import importlib
import os
import re
import shlex
import signal
import subprocess
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from mmcr_core.config.run import DatasetSpec, EncoderSpec, ZeroShotSpec
from sweeps import store
from sweeps.cli.app import guarded, new_app
from sweeps.cli.errors import OptionError, UserError
from sweeps.cli.version import version_text
from sweeps.storage.filesystems import to_path
from tests.conftest import REPOSITORY, signals_kept


def left_by(error, capsys):
    @guarded
    def command():
        raise error

    with signals_kept(), pytest.raises(SystemExit) as raised:
        command()
    return raised.value.code, capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_a_command_by_a_sentence_and_leave_no_half_file(number, tmp_path):
    """Sent while a figure is being written, and once more while the command ends."""
    script = (
        "import os, signal, sys, time; from pathlib import Path; from sweeps.cli.app import guarded; import atexit\n"
        "from sweeps.storage.output_targets import write_target\n"
        "number, target = int(sys.argv[1]), Path(sys.argv[2])\n"
        "signal.signal(number, signal.default_int_handler)\n"  # a shell in the background ignores some
        "def stop(*_): os.kill(os.getpid(), number); time.sleep(600)\n"
        "os.fsync = stop; atexit.register(os.kill, os.getpid(), number)\n"
        "guarded(lambda: write_target(target, b'half'))()"
    )
    (tmp_path / "figure.png").write_bytes(b"whole")
    command = [sys.executable, "-c", script, str(int(number)), str(tmp_path / "figure.png")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "interrupted\n")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("figure.png", b"whole")]


def test_a_module_that_swallows_an_interruption_and_breaks_has_no_defect(tmp_path):
    """As numpy does, whose half of a package fails by a RecursionError later."""
    (tmp_path / "swallows.py").write_text(
        "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGINT)\nexcept KeyboardInterrupt:\n    half = True\n"
    )
    script = (
        "import signal; from sweeps.cli.app import guarded\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def command():\n    import swallows\n    swallows.whole\n"
        "guarded(command)()"
    )
    where = {**os.environ, "PYTHONPATH": f"{tmp_path}:{REPOSITORY}"}
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=where, timeout=100)
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "interrupted\n")


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (UserError("grid.yaml:3: P: wrong; use another"), 2, "grid.yaml:3: P: wrong; use another\n"),
        (OptionError("time_limit", "'soon' is not a time"), 2, "--time-limit: 'soon' is not a time\n"),
        (PermissionError(errno.EACCES, "Permission denied", "/x/y"), 2, "/x/y: Permission denied\n"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "a file or standard output: No space left on device\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
    ids=["user", "option", "permission", "disk full", "ctrl-c"],
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


def test_a_file_of_the_user_is_blamed_for_what_it_raises_and_no_defect_is(capsys, tmp_path, monkeypatch):
    file = tmp_path / "sitecustomize.py"
    file.write_text("def fail():\n    raise KeyError('mine')\n")
    names = {}
    exec(compile(file.read_text(), str(file), "exec"), names)

    @guarded
    def command():
        names["fail"]()

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(SystemExit) as raised:
        command()
    said = capsys.readouterr().err
    assert raised.value.code == 2
    assert said.startswith(f"KeyError: 'mine'; {file}:2 raises this, which is no part of mmcr-sweeps: mend it")


def test_storage_at_a_url_that_fails_is_no_defect(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    @guarded
    def command():
        to_path("http://127.0.0.1:1/x").write_bytes(b"")

    with pytest.raises(SystemExit) as raised:
        command()
    assert raised.value.code == 2
    assert "; the storage at the URL answers with this: check its address" in capsys.readouterr().err


def test_a_file_in_the_place_of_a_module_is_named(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "colorsys.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    monkeypatch.setitem(sys.modules, "colorsys", importlib.import_module("colorsys"))
    code, said = left_by(AttributeError("no rgb_to_hsv"), capsys)
    assert code == 2 and f"{tmp_path / 'colorsys.py'} takes the place of the module 'colorsys'" in said


def test_warnings_neither_reach_the_terminal_nor_end_a_command(capsys):
    @guarded
    def command():
        warnings.warn("of a library", RuntimeWarning, stacklevel=1)
        print("done")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        command()
    assert capsys.readouterr() == ("done\n", "")


def test_a_path_may_begin_at_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    given = []

    @guarded
    def command(output: Path | None = None):
        given.append(output)

    command(output=Path("~/figures"))
    assert given == [tmp_path / "figures"]
    assert to_path("~/x") == tmp_path / "x"
    assert to_path("file:///a/b c") == Path("/a/b c")
    with pytest.raises(UserError, match="~nobody_of_this_name/x: there is no such home folder"):
        to_path("~nobody_of_this_name/x")
    dataset = DatasetSpec("folder", path="~/photos", root="~").at_absolute_paths()
    assert (dataset.path, dataset.root) == (str(tmp_path / "photos"), str(tmp_path))
    assert EncoderSpec("towers", config="~/c.json").at_absolute_paths().config == str(tmp_path / "c.json")
    zero_shot = ZeroShotSpec(DatasetSpec("folder", path="~/p"), "~/classes", "~/templates").at_absolute_paths()
    found = (zero_shot.dataset.path, zero_shot.classes, zero_shot.templates)
    assert found == tuple(str(tmp_path / name) for name in ("p", "classes", "templates"))


def test_typers_own_exits_pass():
    @guarded
    def command():
        raise typer.Exit(3)

    with pytest.raises(typer.Exit) as raised:
        command()
    assert raised.value.exit_code == 3


def test_every_command_tells_its_version():
    app = new_app()

    @app.command()
    @guarded
    def command(needed: str):
        raise AssertionError(needed)

    told = CliRunner().invoke(app, ["--version"])
    assert told.exit_code == 0 and told.stdout == version_text() + "\n"
    assert CliRunner().invoke(store.app, ["--version"]).stdout == told.stdout  # of several commands
    assert told.stdout.startswith(f"mmcr-sweeps {version('mmcr-sweeps')}\nPython 3.")


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_a_command_whose_streams_are_closed_gives_their_numbers_to_no_file(closed, tmp_path):
    """Else what is printed would go into the next file that is opened."""
    script = (
        "import os, sys; from pathlib import Path; from sweeps.cli.app import guarded\n"
        "def work():\n"
        f" file = open({str(tmp_path / 'written')!r}, 'w'); os.write(1, b'x'); os.write(2, b'x')\n"
        " print('y'); print('z', file=sys.stderr, flush=True); sys.stdin.read(); file.write(str(file.fileno() > 2))\n"
        "guarded(work)()"
    )
    command = f"{shlex.quote(sys.executable)} -c {shlex.quote(script)} {closed}"
    ran = subprocess.run(
        ["sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, cwd=Path(__file__).parents[3]
    )
    assert (ran.returncode, (tmp_path / "written").read_text()) == (0, "True")
