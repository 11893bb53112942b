"""Figures at the size at which they are printed: none wider than its column, no text below 7 points."""

import shutil

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from analysis.cli.printed_width import INCHES, Width
from tests.conftest import invoke


@pytest.fixture(scope="module")
def store(small, tmp_path_factory):
    """A copy, in which the commands keep what they fit."""
    return shutil.copytree(small, tmp_path_factory.mktemp("printed") / "small")


@pytest.fixture
def drawn(monkeypatch):
    """Width and text sizes of each figure that is saved."""
    found = []

    def record(figure, *_, **__):
        texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
        found.append((figure.get_figwidth(), min(text.get_fontsize() for text in texts)))

    monkeypatch.setattr(Figure, "savefig", record)
    monkeypatch.setattr("analysis.figures.style.in_256_colors", lambda stream: stream.getvalue())
    return found


@pytest.mark.parametrize(
    ("command", "width"),
    [
        ("plot_double_descent --views all", Width.PAGE),
        ("plot_double_descent", Width.COLUMN),
        ("plot_grid_law", Width.PAGE),
        ("plot_scaling", Width.COLUMN),
        ("plot_objectives", Width.COLUMN),
    ],
)
def test_figures_fit_their_column_and_can_be_read(store, tmp_path, drawn, command, width):
    name, *options = command.split()
    ran = invoke(name, store, "--width", width, *options, "-o", tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert len(drawn) > 1
    assert all(across <= INCHES[width] + 1e-6 and smallest >= 7 for across, smallest in drawn)
