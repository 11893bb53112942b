"""What the packages log: nothing is heard of it until a command is given -v, or a notebook asks."""

import importlib
import logging

import pytest
from typer.testing import CliRunner

from sweeps.cli.app import PACKAGES
from sweeps.storage.checkpoints import write_checkpoint
from sweeps.storage.leases import Lease
from tests.conftest import invoke
from tests.synthetic import write_sweep


def test_libraries_are_silent_by_default(tmp_path, capfd):
    write_checkpoint(tmp_path, 3, b"state")
    for name in PACKAGES:
        importlib.import_module(name)
        assert any(isinstance(handler, logging.NullHandler) for handler in logging.getLogger(name).handlers)
        logging.getLogger(name).warning("nobody asked")
    assert capfd.readouterr() == ("", "")


def test_a_checkpoint_and_a_lease_are_logged(tmp_path, caplog):
    with caplog.at_level(logging.INFO, "sweeps"):
        write_checkpoint(tmp_path, 3, b"state")
        lease = Lease(tmp_path / "leases/run.json", "launch")
        lease.take()
        lease.release()
    said = [(record.name, record.getMessage()) for record in caplog.records]
    assert said[0] == ("sweeps.storage.checkpoints", f"checkpoint of step 3 written to {tmp_path}, 5 bytes")
    assert said[1] == ("sweeps.storage.leases", f"lease {tmp_path / 'leases/run.json'} taken")


def test_a_command_logs_what_its_packages_do_where_it_is_given_v(write_grid, tmp_path):
    options = ["sweeps.launch", write_grid(), "--results", tmp_path / "r", "--cell", 0]
    quiet = invoke(*options)
    assert quiet.returncode == 0 and "sweeps.storage" not in quiet.stderr
    heard = invoke(*options, "-v", "--results", tmp_path / "again")
    assert heard.returncode == 0
    for line in ("sweeps.storage.leases: lease ", "sweeps.storage.sweep_store: steps 0 to 11 of run "):
        assert line in heard.stderr


@pytest.mark.parametrize("option", ["-v", "--verbose"])
def test_v_ends_with_the_command(option, tmp_path):
    sweep = write_sweep(tmp_path / "s", sizes=(64,), views=(2,), steps=60).root
    assert invoke("query", sweep, "SELECT count(*) FROM runs", option).returncode == 0
    for name in PACKAGES:
        handlers = logging.getLogger(name).handlers
        assert [type(handler) for handler in handlers].count(logging.StreamHandler) == 0


@pytest.mark.parametrize("command", ["sweeps.launch", "sweeps.store", "sweeps.status", "analysis.query"])
def test_every_command_has_the_option(command):
    app = importlib.import_module(command).app
    arguments = ["check", "--help"] if command == "sweeps.store" else ["--help"]
    shown = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"}).output
    assert "--verbose" in shown and "--as-json" not in shown  # its own options are as they are declared
    assert command != "sweeps.launch" or "--json" in shown
