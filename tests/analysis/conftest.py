"""A synthetic sweep, written once."""

import shutil

import pytest

from tests.synthetic import write_sweep


@pytest.fixture(scope="session")
def sweep(tmp_path_factory):
    """Folder of a finished sweep with known laws; tests must not write into its runs."""
    return write_sweep(tmp_path_factory.mktemp("results") / "known").root


@pytest.fixture
def own(sweep, tmp_path):
    """A copy of the sweep that a test may write to."""
    return shutil.copytree(sweep, tmp_path / "known")
