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


def test_a_panel_for_each_k_and_d():
    table = gap_table(pd.concat([runs(0.8, 0.8, P, D) for P in (32, 64) for D in (16, 32, 64)]))
    assert len(draw_gap(table).axes) == 3
