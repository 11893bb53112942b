"""What the tests of planning share."""

import pytest

from sweeps.config.grid_file import load_grid
from tests.conftest import REPOSITORY


@pytest.fixture(scope="session")
def paper():
    """The 75 cells of the paper's grid."""
    return load_grid(REPOSITORY / "sweeps/grids/paper-stl10.yaml").cells
