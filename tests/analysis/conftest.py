"""Synthetic sweeps, written once, and a law of all their cells, fitted once."""

import shutil

import pytest

from analysis.estimates.joint_scaling_law import fit_joint_laws
from analysis.figures.style import FORMATS, png_alone
from tests.analysis.estimates.synthetic_grid import points
from tests.synthetic import write_sweep


@pytest.fixture(scope="module", autouse=True)
def _png_alone():
    """A PDF takes as long as the rest of a figure."""
    with png_alone():
        yield


@pytest.fixture
def pdf_too():
    """Figures are saved as they are for people."""
    token = FORMATS.set(("pdf", "png"))
    yield
    FORMATS.reset(token)


@pytest.fixture(scope="session")
def sweep(tmp_path_factory):
    """Folder of a finished sweep with known laws; tests must not write into its runs."""
    return write_sweep(tmp_path_factory.mktemp("results") / "known").root


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Folder of a sweep of nine cells of 300 steps; tests copy what they change."""
    return write_sweep(tmp_path_factory.mktemp("small") / "small", (64, 128, 256), (2,), steps=300).root


@pytest.fixture(scope="session")
def laws():
    """The joint laws of cells whose law is known; the files that ask for it are one group."""
    return fit_joint_laws(points())


@pytest.fixture
def own(sweep, tmp_path):
    """A copy of the sweep that a test may write to."""
    return shutil.copytree(sweep, tmp_path / "known")
