"""The uniform baseline, as far as a cell's network can have them."""

import numpy as np
import pandas as pd
import pytest

from analysis.estimates.fit_data import measured_cells
from analysis.estimates.joint_scaling_law import JointForm, fit_joint_law, grid_points
from analysis.estimates.per_cell_fit import fit_cell
from analysis.estimates.uniform_baseline import Level, dataset_images, level_of
from analysis.figures.error_decomposition import gap_table
from analysis.results.results import open_results
from mmcr_core.theory import expected_percent_error
from tests.synthetic import FLOPS, write_sweep


def test_an_unknown_bound_is_no_bound():
    nothing = pd.DataFrame({"rank_bound": [np.nan], "dataset_images": [np.nan], "spec": ["{}"]})
    for level in (Level(), Level(4096), level_of(nothing)):
        assert level(64, 64) == expected_percent_error(64, 64)


def test_the_least_bounds_count():
    rows = pd.DataFrame({"rank_bound": [64, 32], "dataset_images": [100, np.nan], "spec": ["{}", "{}"]})
    assert level_of(rows) == Level(32, 100)
    assert Level(32, 100)(64, 64) == expected_percent_error(64, 64, N=100, rank=32)
    assert Level(images=100)(200, 64) == pytest.approx(0)  # as if the images were P


def test_rows_without_the_number_of_images_take_it_from_their_spec():
    specs = ['{"dataset": {"name": "digits", "limit": null}}', '{"dataset": {"name": "cifar10", "limit": 500}}',
             '{"dataset": {"name": "cifar10"}}']  # fmt: skip
    rows = pd.DataFrame({"dataset_images": [np.nan, np.nan, 7.0], "spec": specs})
    assert dataset_images(rows).tolist() == [1437, 500, 7]


@pytest.fixture
def bound(tmp_path):
    """Cells whose network has 32 units before the last layer, above the uniform baseline of that rank."""

    def curve(P, D, K, flops):
        return expected_percent_error(P, D, rank=32) + 0.4 * (flops / FLOPS) ** -0.4

    store = write_sweep(tmp_path / "s", sizes=(16, 32, 64, 128), views=(2,), steps=800, scale=0.004, curve=curve)
    for row in store.rows():
        store.write_run(row | {"rank_bound": 32})
    return open_results(store.root)


def test_cells_are_fitted_above_the_baseline_that_their_rank_allows(bound):
    for (_, P, D, _), cell in measured_cells(bound).items():
        assert cell.level.rank == 32
        fit = fit_cell(cell, P, D, "theory", bootstrap=50)
        assert pytest.approx(expected_percent_error(P, D, rank=32)) == fit.E
        assert fit.alpha == pytest.approx(0.4, abs=0.05)


def test_the_grids_law_and_the_split_use_it_too(bound):
    law = fit_joint_law(grid_points(measured_cells(bound, axis="steps")), JointForm("theory", "none", True))
    assert law.level.rank == 32
    assert law.irreducible_errors(128, 128)[0] == pytest.approx(expected_percent_error(128, 128, rank=32))
    split = gap_table(bound.runs()).set_index(["P", "D"])
    free = gap_table(bound.runs().assign(rank_bound=np.nan)).set_index(["P", "D"])
    assert split.loc[(128, 128), "reference"] > free.loc[(128, 128), "reference"]
    assert split.loc[(16, 16), "reference"] == free.loc[(16, 16), "reference"]
