"""Figures are saved small, and look as they were drawn."""

import io
import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from analysis.cli.printed_width import Width, printed_at
from analysis.figures.palette import OBJECTIVES, OTHERS, VIEWS, size_color, variant_colors, view_colors
from analysis.figures.style import DPI, in_256_colors, legend, line_mark, panels, plain_ticks, plt, png_alone, save
from analysis.results.display_names import OBJECTIVES as NAMES
from analysis.results.display_names import variant_name, with_names
from mmcr_core.objectives import OBJECTIVES as REGISTERED


@pytest.fixture
def drawn():
    """A PNG of every color of the palette, as lines, faint bands that overlap, and a color map."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(6, 2.4))
    x = np.linspace(0, 1, 200)
    for i, color in enumerate(OTHERS):
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


@pytest.mark.usefixtures("pdf_too")
def test_a_page_that_shows_pngs_has_no_pdfs_drawn(tmp_path):
    with png_alone():
        save(plt.figure(), tmp_path, "inside")
    save(plt.figure(), tmp_path, "after")
    assert {file.name for file in tmp_path.iterdir()} == {"inside.png", "after.png", "after.pdf"}


def test_a_color_has_one_meaning():
    assert size_color("D", 64) == size_color("D", 64.0) != size_color("D", 128) and size_color("P", 64) not in (
        size_color("D", 64),
        size_color("P", 32),
    )
    assert view_colors([2, 4]) == {K: VIEWS[K] for K in (2, 4)} and view_colors([4, 8])[4] == VIEWS[4]
    fixed = [*OBJECTIVES.values(), *VIEWS.values()]
    assert len(set(fixed)) == len(fixed)


def test_an_objective_has_its_color_beside_any_other():
    alone, beside = variant_colors(["simclr"]), variant_colors(["mmcr", "own", "simclr, objective.temperature=0.5"])
    assert alone["simclr"] == beside["simclr, objective.temperature=0.5"] and len(set(beside.values())) == 3
    several = variant_colors(["mmcr, dataset.limit=128", "mmcr, dataset.limit=256"])
    assert len(set(several.values())) == 2


def test_every_objective_has_a_color_and_a_name_for_people():
    assert set(REGISTERED) <= set(OBJECTIVES) and set(REGISTERED) <= set(NAMES)
    assert variant_name("barlow_twins, objective.scale=0.5") == "Barlow Twins, scale = 0.5"
    table = pd.DataFrame({"variant": ["frossl"], "less": [None], "quantity": ["knn_accuracy, some"], "P": 8})
    assert with_names(table).iloc[0].tolist() == ["FroSSL", None, "kNN accuracy, some", 8]
    assert variant_name("mmcr, dataset.limit=128") == "MMCR, N = 128 images" and variant_name("own") == "own"


@pytest.mark.parametrize(("width", "inches"), [(Width.PAGE, 6.75), (Width.COLUMN, 3.25)])
def test_a_picture_is_as_wide_as_it_is_printed_whatever_its_legend(tmp_path, width, inches):
    with printed_at(width), png_alone():
        figure, _ = panels(1, 2, 1.5)
        made = legend(figure, [line_mark("black", f"a mark with a long label {i}") for i in range(7)])
        assert made.get_window_extent().width <= figure.bbox.width
        assert made._ncols == -(-7 // -(-7 // made._ncols))  # rows are even
        image = Image.open(save(figure, tmp_path, "wide"))
    assert image.width == pytest.approx(DPI * inches, abs=1) and image.height > 1.8 * DPI


@pytest.mark.parametrize(("low", "high"), [(1e10, 4e10), (2.1e10, 3.4e10), (1e9, 1e13), (5e9, 2e11)])
def test_labels_of_narrow_logarithmic_panels_do_not_touch_and_some_are_left(low, high, tmp_path):
    figure, axes = panels(1, 4, 1.5)
    for ax in axes.flat:
        ax.set(xscale="log", xlim=(low, high))
    with png_alone():
        save(figure, tmp_path, "narrow")
    renderer = FigureCanvasAgg(figure).get_renderer()
    for ax in axes.flat:
        ticks = [*ax.xaxis.get_major_ticks(), *ax.xaxis.get_minor_ticks()]
        shown = [tick.label1 for tick in ticks if low <= tick.get_loc() <= high and tick.label1.get_visible()]
        found = [label.get_window_extent(renderer) for label in shown if label.get_text()]
        boxes = sorted((box.x0, box.x1) for box in found)
        assert boxes and all(left[1] < right[0] for left, right in itertools.pairwise(boxes))


def test_labels_are_the_numbers_themselves(tmp_path):
    figure, axes = panels(1, 1, 1.5)
    axes[0, 0].set_ylim(0.9999, 1.0001)
    with png_alone():
        save(figure, tmp_path, "offset")
    assert not axes[0, 0].yaxis.get_offset_text().get_text()
    assert "1.00000" in {label.get_text() for label in axes[0, 0].get_yticklabels()}


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.2), (0.15, 0.4), (0.02, 0.5), (1, 9000)])
def test_a_logarithmic_axis_has_two_ticks_or_more(low, high):
    figure, axes = panels(1, 1, 1.5)
    axes[0, 0].set_yscale("log")
    for small in (True, False):
        plain_ticks([axes[0, 0]], "y", low, high, small)
        assert len(axes[0, 0].get_yticks()) > 1
    plt.close(figure)
