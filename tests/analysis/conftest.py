"""A synthetic sweep, written once."""

import pytest

from tests.synthetic import write_sweep


@pytest.fixture(scope="session")
def sweep(tmp_path_factory):
    """Folder of a finished sweep with known laws; tests must not write into its runs."""
    return write_sweep(tmp_path_factory.mktemp("results") / "known").root
