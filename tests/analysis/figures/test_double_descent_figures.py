"""Double descent drawn: all panels share one axis that holds every point."""

import pandas as pd
import pytest
from matplotlib import pyplot as plt

from analysis.estimates.peak import peak_table
from analysis.figures.double_descent_figures import draw, of_smallest_view
from mmcr_core.theory import expected_percent_error


def test_panels_of_all_k_reach_up_to_their_largest_error():
    rows = [
        {"variant": "mmcr", "P": P, "D": D, "K": K, "seed": 0, "run_id": f"{P}-{D}-{K}", "rank_bound": None,
         "dataset_images": None, "percent_error": 0.1 * K * (1.5 if P == D else 1.0)}
        for P in (16, 32, 64) for D in (16, 32, 64) for K in (2, 4)
    ]  # fmt: skip
    runs = pd.DataFrame(rows)
    noise = pd.Series(0.01, index=runs["run_id"])
    figure = draw(runs, peak_table(runs, noise), noise)
    for ax in figure.axes:
        bottom, top = ax.get_ylim()
        assert bottom == 0 and top > 0.6
    plt.close(figure)


def test_a_line_of_one_or_two_cells_has_no_maximum_to_mark():
    cells = [(P, D) for P in (16, 32, 64) for D in (16, 32)] + [(64, 64)]
    runs = pd.DataFrame(
        {"variant": "mmcr", "P": P, "D": D, "K": 2, "seed": 0, "run_id": f"{P}-{D}", "rank_bound": None,
         "dataset_images": None, "percent_error": 0.2 if P == D else 0.1}
        for P, D in cells
    )  # fmt: skip
    noise = pd.Series(0.01, index=runs["run_id"])
    figure = draw(runs, peak_table(runs, noise), noise)
    along_P, along_D = (
        sorted(line.get_xdata()[0] for line in ax.lines if line.get_marker() in ("*", "v")) for ax in figure.axes
    )
    assert along_P == [16, 32] and along_D == [64]  # D = 64 has one cell, P = 16 and 32 have two
    plt.close(figure)


def test_the_simulated_baseline_is_that_of_the_data_set():
    """1,437 images: 0.135 at P = D = 256, where endless data would give 0.151; crosses and line agree."""
    runs = pd.DataFrame(
        {"variant": "mmcr", "P": P, "D": D, "K": 2, "seed": 0, "run_id": f"{P}-{D}", "rank_bound": None,
         "dataset_images": 1437, "percent_error": 0.3}
        for P in (64, 128, 256) for D in (64, 128, 256)
    )  # fmt: skip
    noise = pd.Series(0.01, index=runs["run_id"])
    figure = draw(runs, peak_table(runs, noise), noise)
    for ax in figure.axes:
        crosses = [line for line in ax.lines if line.get_marker() == "x"]
        ends = [line.get_ydata()[-1] for line in crosses]
        assert max(ends) == pytest.approx(0.1351, abs=0.001)
        dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
        assert [line.get_ydata()[-1] for line in dashed] == pytest.approx(ends, abs=0.002)
        assert [line.get_color() for line in dashed] == [line.get_color() for line in crosses]
    assert expected_percent_error(256, 256) == pytest.approx(0.1512, abs=1e-4)
    plt.close(figure)


def test_by_default_figures_are_of_the_smallest_k_that_has_several_sizes():
    rows = [{"K": 2, "P": 64, "D": 64}] + [{"K": K, "P": P, "D": 64} for K in (4, 8) for P in (16, 32, 64)]
    assert set(of_smallest_view(pd.DataFrame(rows))["K"]) == {4}
    assert set(of_smallest_view(pd.DataFrame(rows[:1]))["K"]) == {2}
