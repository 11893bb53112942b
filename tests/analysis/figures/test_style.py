"""Figures are saved small, and look as they were drawn."""

import io

import numpy as np
import pytest
from PIL import Image

from analysis.figures.style import COLORS, DPI, in_256_colors, plt, png_alone, save


@pytest.fixture
def drawn():
    """A PNG of every color of the palette, as lines, faint bands that overlap, and a color map."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(6, 2.4))
    x = np.linspace(0, 1, 200)
    for i, color in enumerate(COLORS):
        left.plot(x, np.sin(x * (i + 1)), color=color)
        left.fill_between(x, np.sin(x * (i + 1)) - 0.1, np.sin(x * (i + 1)) + 0.1, color=color, alpha=0.2)
    right.imshow(np.add.outer(x, x), cmap="viridis")
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    plt.close(figure)
    return stream


def test_a_picture_of_fewer_bytes_looks_the_same(drawn):
    packed = in_256_colors(drawn)
    assert len(packed) < len(drawn.getvalue()) / 2
    before, after = (np.asarray(Image.open(file).convert("RGB"), float) for file in (drawn, io.BytesIO(packed)))
    assert np.abs(after - before).mean() < 1  # of 255
    pale = (before.min(axis=2) > 200) & (before.min(axis=2) < 250)  # bands
    assert np.abs(after - before)[pale].mean() < 2
    assert (after[0, 0] == 255).all()


def test_a_picture_keeps_its_size_in_print(drawn):
    image = Image.open(io.BytesIO(in_256_colors(drawn)))
    assert image.size == Image.open(drawn).size
    assert image.info["dpi"] == pytest.approx((DPI, DPI), abs=1)


def test_a_page_that_shows_pngs_has_no_pdfs_drawn(tmp_path):
    with png_alone():
        save(plt.figure(), tmp_path, "inside")
    save(plt.figure(), tmp_path, "after")
    assert {file.name for file in tmp_path.iterdir()} == {"inside.png", "after.png", "after.pdf"}
