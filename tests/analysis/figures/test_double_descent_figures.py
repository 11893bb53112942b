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
