"""The split of the percent error into reference, reconstruction and uniformity."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.figures.error_decomposition import draw_gap, gap_table
from mmcr_core.theory import expected_percent_error


def runs(r, u, P=64, D=64, seeds=1):
    row = {"variant": "mmcr", "K": 2, "P": P, "D": D, "percent_error": 1 - r * u, "reconstruction": r, "uniformity": u}
    return pd.DataFrame([row] * seeds)


@given(r=st.floats(0.3, 0.999), u=st.floats(0.3, 0.999))
def test_the_parts_add_up_to_the_error(r, u):
    table = gap_table(runs(r, u))
    total = table[["reference", "reconstruction", "uniformity"]].sum(axis=1)
    assert total[0] == pytest.approx(1 - r * u, rel=1e-9)


def test_uniform_embeddings_leave_nothing_to_uniformity():
    u = 1 - expected_percent_error(64, 64)
    row = gap_table(runs(0.8, u)).iloc[0]
    assert row["uniformity"] == pytest.approx(0, abs=1e-12) and row["reconstruction"] > 0


def test_frames_more_even_than_chance_count_below_zero():
    assert gap_table(runs(0.9, 0.99)).iloc[0]["uniformity"] < 0


def test_seeds_are_averaged_and_runs_without_the_split_left_out():
    table = gap_table(pd.concat([runs(0.8, 0.8, seeds=3), runs(np.nan, np.nan, P=128)]))
    assert len(table) == 1


def test_a_panel_for_each_k_and_d_that_was_run():
    cells = pd.concat([runs(0.8, 0.8, P, D) for P in (32, 64) for D in (16, 32, 64)])
    table = gap_table(pd.concat([cells, runs(0.8, 0.8).assign(K=4)]))
    assert len(draw_gap(table).axes) == 4


def test_bars_are_filled_up_to_the_error_and_hatched_where_uniformity_takes_away():
    table = gap_table(pd.concat([runs(0.9, 0.99), runs(0.8, 0.7, P=128)]))
    (ax,) = draw_gap(table).axes
    tops = [bar.get_y() + bar.get_height() for bar in ax.patches if not bar.get_hatch()]
    hatched = [bar for bar in ax.patches if bar.get_hatch()]
    errors = table.sort_values("P")["percent_error"].to_numpy()
    assert max(tops) == pytest.approx(errors.max()) and all(bar.get_height() >= 0 for bar in ax.patches)
    assert [bar.get_y() for bar in hatched] == pytest.approx(errors)
    assert hatched[0].get_height() == pytest.approx(-table.sort_values("P")["uniformity"].iloc[0])
    assert hatched[1].get_height() == 0


@pytest.mark.parametrize(
    ("along", "label"),
    [("P", "P, images per batch (K = 2 views)"), ("D", "D, embedding dimensions (K = 2 views)"),
     ("K", "K, views per image")],
)  # fmt: skip
def test_bars_stand_against_what_varies(along, label):
    cells = [runs(0.8, 0.8).assign(**{along: size}) for size in (4, 8, 16)]
    figure = draw_gap(gap_table(pd.concat(cells)))
    assert len(figure.axes) == 1 and figure.get_supxlabel() == label
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["4", "8", "16"]
