"""The level of uniform embeddings, as far as a cell's network can have them."""

import numpy as np
import pytest

from analysis.laws.cell_law import fit_cell
from analysis.laws.grid_law import fit_grid_law, measured_points
from analysis.laws.measured_cells import measured_cells
from analysis.laws.reference_level import reference_level
from analysis.pages.error_split import gap_table
from analysis.reading.results import open_results
from mmcr_core.theory import expected_percent_error
from tests.synthetic import FLOPS, write_sweep


def test_an_unknown_bound_is_no_bound():
    for rank in (None, np.nan, np.inf, 4096):
        assert reference_level(64, 64, rank) == expected_percent_error(64, 64)
    assert reference_level([64, 64], 64, [np.nan, 32]).tolist() == [
        expected_percent_error(64, 64),
        expected_percent_error(64, 64, rank=32),
    ]


@pytest.fixture
def bound(tmp_path):
    """Cells whose network has 32 units before the last layer, above the level that these leave it."""

    def curve(P, D, K, flops):
        return expected_percent_error(P, D, rank=32) + 0.4 * (flops / FLOPS) ** -0.4

    store = write_sweep(tmp_path / "s", sizes=(16, 32, 64, 128), views=(2,), steps=800, scale=0.004, curve=curve)
    for row in store.rows():
        store.write_run(row | {"rank_bound": 32})
    return open_results(store.root)


def test_cells_are_fitted_above_the_level_that_their_rank_allows(bound):
    for (_, P, D, _), cell in measured_cells(bound).items():
        assert cell.rank == 32
        fit = fit_cell(cell, P, D, "theory", bootstrap=50)
        assert pytest.approx(expected_percent_error(P, D, rank=32)) == fit.E
        assert fit.alpha == pytest.approx(0.4, abs=0.05)


def test_the_grids_law_and_the_split_use_it_too(bound):
    law = fit_grid_law(measured_points(bound), "theory")
    assert law.rank == 32
    assert law.floors(128, 128)[0] == pytest.approx(expected_percent_error(128, 128, rank=32))
    split = gap_table(bound.runs()).set_index(["P", "D"])
    free = gap_table(bound.runs().assign(rank_bound=np.nan)).set_index(["P", "D"])
    assert split.loc[(128, 128), "reference"] > free.loc[(128, 128), "reference"]
    assert split.loc[(16, 16), "reference"] == free.loc[(16, 16), "reference"]
