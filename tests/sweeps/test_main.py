"""The installed command `mmcr-sweeps` has every command in its table."""

import importlib
import os
import re
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from sweeps.cli.commands import COMMANDS
from sweeps.exporting.state_names import FORMATS
from tests.conftest import REPOSITORY


def command(*arguments, cwd=REPOSITORY):
    ran = [sys.executable, "-m", "sweeps", *arguments]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(ran, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_the_table_has_every_module_with_an_app():
    """The modules at the top of both packages that people run."""
    top = [file for package in ("sweeps", "analysis") for file in (REPOSITORY / package).glob("[!_]*.py")]
    runnable = {f"{file.parent.name}.{file.stem}" for file in top if "\n    app()\n" in file.read_text()}
    assert {module for module, _ in COMMANDS.values()} == runnable
    assert all(module.endswith("." + name.replace("-", "_")) for name, (module, _) in COMMANDS.items())


def test_help_lists_the_commands_with_what_they_do():
    ran = command("--help")
    assert ran.returncode == 0
    assert all(name in ran.stdout for name in COMMANDS)
    assert "Launch a grid" in ran.stdout


@pytest.mark.parametrize("name", sorted(COMMANDS))
@pytest.mark.parametrize("asked", ["-h", "--help"])
def test_every_command_says_what_it_does_and_gives_an_example(name, asked):
    ran = CliRunner().invoke(importlib.import_module(COMMANDS[name][0]).app, [asked])
    assert ran.exit_code == 0
    assert "Example" in ran.stdout


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_names_the_commands_own_options_and_no_others(name):
    command = typer.main.get_command(importlib.import_module(COMMANDS[name][0]).app)
    for one in getattr(command, "commands", {"": command}).values():
        own = {option for parameter in one.params for option in parameter.opts + parameter.secondary_opts}
        for parameter in one.params:
            text = parameter.help or ""
            assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) <= own, (parameter.name, text)


def test_export_names_every_format():
    command = typer.main.get_command(importlib.import_module("sweeps.export").app)
    text = next(parameter.help for parameter in command.params if "--format" in parameter.opts)
    assert all(re.search(rf"\b{name} \(", text) for name in FORMATS)


def test_a_command_gets_its_arguments_and_its_exit_code_is_the_commands():
    assert "mmcr-sweeps store" in command("store", "--help").stdout
    ran = command("launch", "no-such-grid.yaml")
    assert ran.returncode == 2
    assert "no-such-grid.yaml: cannot be read" in ran.stderr


def test_an_unknown_command_is_one_sentence():
    ran = command("lunch")
    assert ran.returncode == 2
    assert ran.stderr.startswith("mmcr-sweeps: there is no command 'lunch'; use one of ")
    assert "Traceback" not in ran.stderr


def test_a_folder_that_takes_the_place_of_a_package_is_named(tmp_path):
    (tmp_path / "analysis").mkdir()
    (tmp_path / "analysis/__init__.py").write_text("")
    ran = command("report", "results", cwd=tmp_path)
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert "takes the place of its package 'analysis'; rename it" in ran.stderr
