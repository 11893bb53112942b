"""A command is told how a launch ended, whatever ended it."""

import json
import sys

import pytest

from sweeps.cli.errors import OptionError, UserError
from sweeps.monitoring.notification import notifying
from tests.sweeps.execution.test_local import one


@pytest.fixture
def told(tmp_path):
    """A command that keeps what it is told; what was told."""
    script = tmp_path / "keep what.py"
    script.write_text(f"import sys; open({str(tmp_path / 'told.json')!r}, 'w').write(sys.stdin.read())")
    return f"'{sys.executable}' '{script}'", lambda: json.loads((tmp_path / "told.json").read_text())


def test_a_finished_cell_is_told_with_its_run(write_grid, tmp_path, told):
    command, heard = told
    ran = one(write_grid(), 0, tmp_path / "r", "--json", "--notify", command)
    assert ran.returncode == 0, ran.stderr
    assert heard() == json.loads(ran.stdout) | {"grid": str(tmp_path / "grid.yaml"), "exit_code": 0, "error": None}
    assert len(heard()["finished"]) == 1


def test_an_interrupted_launch_is_told_too(write_grid, tmp_path, told):
    command, heard = told
    grid = write_grid(budget="{steps: 1000000}")
    ran = one(grid, 0, tmp_path / "r", "--time-limit", "1s", "--notify", command)
    assert (ran.returncode, heard()["exit_code"], heard()["interrupted"]) == (1, 1, True)


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (UserError("P: too large"), 2, "P: too large"),
        (KeyboardInterrupt(), 130, "KeyboardInterrupt"),
        (ValueError("a\nb"), 1, "a b"),
    ],
)
def test_what_a_launch_raises_is_told_and_raised(told, error, code, text):
    command, heard = told
    with pytest.raises(type(error)), notifying(command, "g.yaml"):
        raise error
    assert heard() == {"grid": "g.yaml", "exit_code": code, "error": text}


def test_a_command_that_fails_is_a_warning_with_its_exit_code(capfd):
    with notifying("sh -c 'cat >/dev/null; echo said; exit 7'", "g.yaml") as tell:
        tell({"exit_code": 0})
    assert capfd.readouterr() == (
        "",
        "said\n--notify: sh -c 'cat >/dev/null; echo said; exit 7' ended with exit code 7\n",
    )


def test_a_command_that_reads_nothing_is_none_the_worse(capfd):
    with notifying("true", "g.yaml") as tell:
        tell({"finished": ["0" * 16] * 100_000})
    assert capfd.readouterr().err == ""


def test_no_shell_sees_what_is_told_or_the_command(told, tmp_path, capfd):
    with notifying(f"echo $HOME; touch {tmp_path}/no `id` > {tmp_path}/no", "$(touch x).yaml"):
        pass
    assert capfd.readouterr().err == f"$HOME; touch {tmp_path}/no `id` > {tmp_path}/no\n"
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("no-such-command -x", "notify: 'no-such-command' is no command here; give one with its arguments"),
        ("", "notify: '' is no command here; give one with its arguments"),
        ("echo 'x", "notify: 'echo 'x' cannot be split into words (No closing quotation); close what is open"),
    ],
)
def test_what_is_no_command_is_refused_before_anything_begins(command, sentence):
    with pytest.raises(OptionError) as raised, notifying(command, "g.yaml"):
        pytest.fail("began")
    assert str(raised.value) == sentence
