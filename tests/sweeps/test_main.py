"""The installed command `mmcr-sweeps` finds every door by name."""

import importlib
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from sweeps.__main__ import doors
from tests.conftest import REPOSITORY


def command(*arguments):
    ran = [sys.executable, "-m", "sweeps", *arguments]
    return subprocess.run(ran, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def test_every_door_has_its_name():
    assert set(doors()) == {
        "leases", "keys", "launch", "make-shards", "status", "store", "query", "recommend", "report",
        "plot-scaling", "plot-double-descent", "plot-theory", "plot-grid-law", "plot-objectives",
        "plot-multimodal",
    }  # fmt: skip


def test_help_lists_the_doors_with_what_they_do():
    ran = command("--help")
    assert ran.returncode == 0
    assert all(name in ran.stdout for name in doors())
    assert "Launch a grid" in ran.stdout


@pytest.mark.parametrize("name", sorted(doors()))
@pytest.mark.parametrize("asked", ["-h", "--help"])
def test_every_door_says_what_it_does_and_gives_an_example(name, asked):
    ran = CliRunner().invoke(importlib.import_module(doors()[name][0]).app, [asked])
    assert ran.exit_code == 0
    assert "Example" in ran.stdout


def test_a_door_gets_its_arguments_and_its_exit_code_is_the_commands():
    assert "mmcr-sweeps store" in command("store", "--help").stdout
    ran = command("launch", "no-such-grid.yaml")
    assert ran.returncode == 2
    assert "no-such-grid.yaml: cannot be read" in ran.stderr


def test_an_unknown_door_is_one_sentence():
    ran = command("lunch")
    assert ran.returncode == 2
    assert ran.stderr.startswith("mmcr-sweeps: there is no command 'lunch'; use one of ")
    assert "Traceback" not in ran.stderr
