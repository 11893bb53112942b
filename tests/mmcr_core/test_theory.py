"""Theory against quadrature, simulation and the nuclear norm itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from mmcr_core.theory import (
    decompose,
    expected_percent_error,
    nuclear_norm_bound,
    percent_error,
    simulate_uniform,
)


def marchenko_pastur_mean_root(g):
    """Mean of sqrt(x) under the Marchenko-Pastur density of aspect ratio g, by quadrature."""
    a, b = (1 - np.sqrt(g)) ** 2, (1 + np.sqrt(g)) ** 2
    density = lambda x: np.sqrt(x) * np.sqrt((b - x) * (x - a)) / (2 * np.pi * g * x)  # noqa: E731
    return quad(density, a, b)[0]


@pytest.mark.parametrize("g", [1.0, 0.9, 0.5, 0.25, 1 / 16, 1e-2, 1e-3])
def test_expected_percent_error_is_the_marchenko_pastur_mean(g):
    assert expected_percent_error(1.0, g) == pytest.approx(1 - marchenko_pastur_mean_root(g), abs=1e-8)


def test_expected_percent_error_at_known_points():
    assert expected_percent_error(256, 256) == pytest.approx(1 - 8 / (3 * np.pi), abs=1e-12)
    assert expected_percent_error(1000, 1) == pytest.approx(1.25e-4, rel=1e-3)
    assert expected_percent_error(512, 256) == pytest.approx(0.0672, abs=1e-4)
    np.testing.assert_array_equal(expected_percent_error([8, 2], [2, 8]), expected_percent_error([2, 8], [8, 2]))


@pytest.mark.parametrize(("P", "D"), [(256, 256), (512, 128), (128, 512), (1024, 64), (300, 200)])
def test_simulated_uniform_embeddings_agree_with_the_limit(P, D):
    rng = np.random.default_rng(0)
    draws = [simulate_uniform(P, D, rng) for _ in range(8)]
    assert np.mean(draws) == pytest.approx(expected_percent_error(P, D), rel=0.03)


@given(P=st.integers(1, 30), D=st.integers(1, 30), seed=st.integers(0, 1000), shrink=st.floats(0.01, 1))
@settings(max_examples=60, deadline=None)
def test_percent_error_is_one_minus_reconstruction_times_uniformity(P, D, seed, shrink):
    M = np.random.default_rng(seed).standard_normal((P, D))
    M *= shrink / np.linalg.norm(M, axis=1, keepdims=True)
    r, u = decompose(M)
    norm = np.linalg.svd(M, compute_uv=False).sum()
    assert percent_error(norm, P, D) == pytest.approx(1 - r * u, abs=1e-12)
    assert 0 <= r <= 1 + 1e-12
    assert 0 <= u <= 1 + 1e-12
    assert norm <= nuclear_norm_bound(P, D) * (1 + 1e-12)


def test_the_bound_is_reached_by_orthogonal_rows_and_by_tight_frames():
    assert percent_error(np.linalg.norm(np.eye(4, 9), "nuc"), 4, 9) == 0
    frame = np.tile(np.eye(3), (5, 1))
    assert percent_error(np.linalg.norm(frame, "nuc"), 15, 3) == pytest.approx(0, abs=1e-12)


def test_impossible_norms_are_refused_and_nan_is_kept():
    with pytest.raises(ValueError, match="longer than 1"):
        percent_error(9.0, 4, 4)
    assert np.isnan(percent_error(np.nan, 4, 4))
    assert decompose(np.zeros((3, 3))) == (0, 0)
