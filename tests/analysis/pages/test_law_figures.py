"""The figures of the law of a grid and of the level, by what they draw."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from analysis.estimates.fit_data import Cell
from analysis.estimates.joint_scaling_law import JointForm, fit_joint_law
from analysis.estimates.uniform_baseline import level_table
from analysis.figures import isoflop_figure
from analysis.figures.data_collapse_figure import draw_collapse
from analysis.figures.uniform_baseline_figure import draw_levels
from mmcr_core.theory import expected_percent_error
from tests.analysis.estimates.synthetic_grid import SIZES, STEPS, points
from tests.analysis.estimates.synthetic_grid import law as known


@pytest.fixture(scope="module")
def law():
    return fit_joint_law(points(noise=0.003), JointForm("theory", "none", False), bootstrap=50)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def test_cells_of_a_known_law_collapse_onto_its_line(law):
    top, bottom, _ = draw_collapse(law).axes
    drawn = np.concatenate([np.asarray(part.get_offsets()) for part in top.collections])
    assert len(drawn) == len(points())
    level = drawn[:, 1] * drawn[:, 0] ** law.fit.alpha["steps"]
    assert level == pytest.approx(np.ones(len(level)), rel=0.12)  # 0.3% of e, near e_inf
    missed = np.concatenate([np.asarray(part.get_offsets()) for part in bottom.collections])[:, 1]
    assert np.abs(missed).max() < 2 and bottom.get_ylim()[1] > np.quantile(np.abs(missed), 0.99)


def cells(K):
    """Measured over FLOPs, 1e6 an image."""
    return {
        ("mmcr", P, D, K): Cell(STEPS * P * 1e6, known(P, D, K, STEPS), 0 * STEPS, np.eye(25), [0] * 25, False)
        for P in SIZES for D in SIZES
    }  # fmt: skip


def test_isoflop_curves_pass_through_what_was_measured_and_mark_the_least(law):
    cost = pd.Series({(P, D, 2): P * 1e6 for P in SIZES for D in SIZES})
    figure = isoflop_figure.draw(law, cells(2), cost)
    assert len(figure.axes) == 2 * len(SIZES)  # error and gap, of each D
    for ax in figure.axes:
        stars = [line for line in ax.lines if line.get_marker() == "*"]
        curves = [line for line in ax.lines if len(line.get_xdata()) == isoflop_figure.FINE]
        measured = [line for line in ax.lines if line.get_marker() == "o"]
        assert len(stars) == len(curves) == len(measured) == isoflop_figure.BUDGETS
        for star, curve, dots in zip(stars, curves, measured, strict=True):
            assert star.get_ydata()[0] == np.min(curve.get_ydata())
            on_curve = np.interp(dots.get_xdata(), curve.get_xdata(), curve.get_ydata())
            assert dots.get_ydata() == pytest.approx(on_curve, rel=0.05)


def test_a_sweep_of_few_sizes_has_no_isoflop_figure(law, tmp_path):
    few = {key: cell for key, cell in cells(2).items() if key[1] in SIZES[:2]}
    runs = pd.DataFrame({"variant": ["mmcr"], "P": [32], "D": [32], "K": [2], "flops_per_step": [1.0]})
    assert isoflop_figure.isoflop_figures({"mmcr": [law]}, few, runs, tmp_path) == []


def test_a_part_of_a_grid_that_has_one_size_alone_for_some_views_is_drawn_without_them(law, tmp_path):
    begun = cells(2) | {key: cell for key, cell in cells(4).items() if key[1] == key[2]}
    sizes = [{"variant": "mmcr", "P": P, "D": D, "K": K, "flops_per_step": P * 1e6} for _, P, D, K in begun]
    assert len(isoflop_figure.isoflop_figures({"mmcr": [law]}, begun, pd.DataFrame(sizes), tmp_path)) == 1


def rows(images):
    return pd.DataFrame(
        [{"P": P, "D": 64, "K": 2, "seed": seed, "percent_error": 0.2 + 0.01 * seed, "uniformity": 0.9, "spec": "{}",
          "dataset_images": N, "rank_bound": 128} for N in images for P in (32, 64) for seed in (0, 1)]
    )  # fmt: skip


def test_levels_are_drawn_where_data_sets_of_several_sizes_were_trained_on():
    assert level_table(rows([1000])).empty and level_table(rows([np.nan])).empty
    table = level_table(rows([128, 1000]))
    assert len(table) == 4 and table["percent_error"].to_numpy() == pytest.approx(0.205)
    row = table[(table["P"] == 64) & (table["images"] == 128)].iloc[0]
    assert row["level"] == pytest.approx(expected_percent_error(64, 64, 128)) and row["deficit"] == pytest.approx(0.1)
    deficit, error = draw_levels(table).axes
    (line,) = (line for line in error.lines if line.get_marker() == "o")  # of P = D alone
    assert line.get_ydata() == pytest.approx([0.205, 0.205]) and line.get_xdata().tolist() == [128, 1000]
    (dashed,) = (line for line in deficit.lines if line.get_linestyle() == "--")
    at = np.interp(128, dashed.get_xdata(), dashed.get_ydata())
    assert at == pytest.approx(expected_percent_error(64, 64, 128), abs=0.002)
    assert error.get_ylim()[0] == 0 and error.get_ylim()[1] > 0.205
