"""Double descent drawn: all panels share one axis that holds every point."""

import pandas as pd
from matplotlib import pyplot as plt

from analysis.estimates.peak import peak_table
from analysis.figures.double_descent_figures import draw, simulate


def test_panels_of_all_k_reach_up_to_their_largest_error():
    rows = [
        {"variant": "mmcr", "P": P, "D": D, "K": K, "seed": 0, "run_id": f"{P}-{D}-{K}", "rank_bound": None,
         "dataset_images": None, "percent_error": 0.1 * K * (1.5 if P == D else 1.0)}
        for P in (16, 32, 64) for D in (16, 32, 64) for K in (2, 4)
    ]  # fmt: skip
    runs = pd.DataFrame(rows)
    noise = pd.Series(0.01, index=runs["run_id"])
    figure = draw(runs, peak_table(runs, noise), noise, simulate(runs))
    for ax in figure.axes:
        bottom, top = ax.get_ylim()
        assert bottom == 0 and top > 0.6
    plt.close(figure)


def test_a_line_of_one_cell_has_no_maximum_to_mark():
    cells = [(P, D) for P in (16, 32) for D in (16, 32)] + [(64, 64)]
    runs = pd.DataFrame(
        {"variant": "mmcr", "P": P, "D": D, "K": 2, "seed": 0, "run_id": f"{P}-{D}", "rank_bound": None,
         "dataset_images": None, "percent_error": 0.2 if P == D else 0.1}
        for P, D in cells
    )  # fmt: skip
    noise = pd.Series(0.01, index=runs["run_id"])
    figure = draw(runs, peak_table(runs, noise), noise, simulate(runs))
    for ax in figure.axes:
        assert sorted(line.get_xdata()[0] for line in ax.lines if line.get_marker() in "*v") == [16, 32]
    plt.close(figure)
