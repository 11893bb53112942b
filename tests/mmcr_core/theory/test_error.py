"""The percent error against quadrature, simulation and the nuclear norm itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from mmcr_core.theory import (
    RepresentationCollapse,
    decompose,
    detect_collapse,
    effective_rank,
    expected_percent_error,
    nuclear_norm_bound,
    nuclear_rank,
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
@settings(max_examples=60)
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


def test_effective_rank_counts_equal_directions():
    assert effective_rank(np.ones(7)) == pytest.approx(7)
    assert effective_rank([3.0, 0.0, 0.0]) == pytest.approx(1)
    assert effective_rank(np.zeros(3)) == 0
    assert 1 < effective_rank([1.0, 0.1, 0.1]) < 3
    M = np.random.default_rng(0).standard_normal((30, 8))
    sigma = np.linalg.svd(M, compute_uv=False)
    assert effective_rank(sigma) == effective_rank(5 * sigma) <= 8
    assert nuclear_rank(decompose(M).uniformity, 30, 8) == pytest.approx(sigma.sum() ** 2 / (sigma**2).sum())


def test_only_what_lies_in_a_few_directions_is_collapsed():
    rng = np.random.default_rng(0)
    point = np.ones((64, 32)) + 0.05 * rng.standard_normal((64, 32))
    uniformity = decompose(point).uniformity
    found = detect_collapse(uniformity, 64, 32)
    assert found == RepresentationCollapse(nuclear_rank(uniformity, 64, 32), 32) and 1 < found.rank < 2
    assert found.describe() == f"collapsed: effective rank {found.rank:.1f} of 32"
    for P, D in [(2, 2), (3, 1), (8, 4), (16, 8), (64, 64)]:
        assert detect_collapse(decompose(rng.standard_normal((P, D))).uniformity, P, D) is None
    assert detect_collapse(np.nan, 64, 32) is None


def test_impossible_norms_are_refused_and_nan_is_kept():
    with pytest.raises(ValueError, match="longer than 1"):
        percent_error(9.0, 4, 4)
    for P, D in ((0, 4), (-4, 4), (4, -1)):
        with pytest.raises(ValueError, match="P and D must be positive"):
            percent_error(0.0, P, D)
    assert np.isnan(percent_error(np.nan, 4, 4))
    assert decompose(np.zeros((3, 3))) == (0, 0)


@pytest.mark.parametrize(("P", "D", "rank"), [(64, 64, 32), (96, 64, 16), (32, 64, 48), (64, 64, 64), (200, 32, 512)])
def test_the_level_of_a_bounded_rank_is_that_of_uniform_embeddings_in_a_subspace(P, D, rank):
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(40):
        inside = rng.standard_normal((P, min(rank, D)))
        inside /= np.linalg.norm(inside, axis=1, keepdims=True)
        M = inside @ np.linalg.qr(rng.standard_normal((D, min(rank, D))))[0].T
        draws.append(percent_error(np.linalg.norm(M, "nuc"), P, D))
    assert expected_percent_error(P, D, rank=rank) == pytest.approx(np.mean(draws), abs=0.006)


def test_a_rank_that_binds_nothing_changes_nothing():
    P, D = np.meshgrid([16, 64, 300], [8, 64, 1000])
    np.testing.assert_array_equal(expected_percent_error(P, D, rank=D), expected_percent_error(P, D))
    np.testing.assert_array_equal(expected_percent_error(P, D, rank=np.inf), expected_percent_error(P, D))
    assert expected_percent_error(1024, 1024, rank=512) == pytest.approx(1 - 0.5**0.5 * (1 - 0.06720), abs=1e-4)


@pytest.mark.parametrize(
    ("P", "D", "N", "level"),
    [(32, 32, 64, 0.0997), (32, 32, 128, 0.128), (32, 32, 1024, 0.1485), (128, 128, 1437, 0.1434),
     (256, 256, 1437, 0.1351), (256, 128, 1437, 0.0573), (256, 64, 1437, 0.0270)],
)  # fmt: skip
def test_the_level_of_a_finite_data_set_is_that_of_the_manova_law(P, D, N, level):
    assert expected_percent_error(P, D, N) == pytest.approx(level, abs=6e-5)


def tight_frame(N, D, rng, rounds=200):
    """N unit vectors in D dimensions whose second moments are the same in all directions."""
    frame = rng.standard_normal((N, D))
    for _ in range(rounds):
        frame /= np.linalg.norm(frame, axis=1, keepdims=True)
        left, _, right = np.linalg.svd(frame, full_matrices=False)
        frame = np.sqrt(N / D) * left @ right
    return frame / np.linalg.norm(frame, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("P", "D", "N"),
    [(64, 64, 128), (64, 64, 512), (64, 128, 256), (128, 64, 256), (128, 128, 192), (200, 50, 400), (32, 128, 384),
     (96, 96, 960), (128, 32, 160), (150, 100, 300)],
)  # fmt: skip
def test_random_rows_of_a_tight_frame_have_that_level(P, D, N):
    rng = np.random.default_rng(P + D + N)
    frame = tight_frame(N, D, rng)
    draws = [np.linalg.svd(frame[rng.permutation(N)[:P]], compute_uv=False).sum() for _ in range(40)]
    found = percent_error(np.array(draws), P, D)
    assert found.mean() == pytest.approx(expected_percent_error(P, D, N), abs=4 * found.std() / np.sqrt(40) + 6e-4)


@pytest.mark.parametrize(
    ("P", "D", "N"), [(256, 256, 1437), (128, 64, 256), (64, 128, 256), (200, 50, 400), (128, 128, 192)]
)
def test_simulated_batches_of_a_data_set_have_its_level(P, D, N):
    rng = np.random.default_rng(P + D)
    draws = [simulate_uniform(P, D, rng, N) for _ in range(20)]
    near = 0.06 / min(P, D) + 4 * np.std(draws) / np.sqrt(20)  # rows of one length are a tight frame but for 1 / D
    assert np.mean(draws) == pytest.approx(expected_percent_error(P, D, N), abs=near)
    assert simulate_uniform(32, 128, rng, 100) == 0  # all images are orthogonal
    assert simulate_uniform(64, 32, rng, 64) < 0.01  # all of a tight frame
    with pytest.raises(ValueError, match="more images than the data set"):
        simulate_uniform(64, 32, rng, 63)


@given(P=st.integers(2, 400), D=st.integers(2, 400), factor=st.floats(1, 50))
def test_more_data_raise_the_level_towards_that_of_endless_data(P, D, factor):
    N = P * factor
    level, more = expected_percent_error(P, D, N), expected_percent_error(P, D, 2 * N)
    endless = expected_percent_error(P, D)
    assert 0 <= level <= more + 1e-6 <= endless + 2e-6
    assert expected_percent_error(P, D, 1e7) == pytest.approx(endless, abs=1e-4)


def test_a_batch_of_all_images_and_images_fewer_than_dimensions_can_be_perfect():
    assert expected_percent_error(64, 32, 64) == pytest.approx(0, abs=1e-9)
    assert expected_percent_error(32, 128, 100) == pytest.approx(0, abs=1e-9)
    bound = expected_percent_error(64, 64, N=256, rank=32)
    assert bound == pytest.approx(1 - np.sqrt(0.5) * (1 - expected_percent_error(64, 32, 256)))
    with pytest.raises(ValueError, match="more images than the data set"):
        expected_percent_error(64, 32, 63)
    for bad in ({"points": 0, "dims": 64}, {"points": 64, "dims": np.nan}, {"points": 8, "dims": 8, "rank": 0}):
        with pytest.raises(ValueError, match="positive"):
            expected_percent_error(**bad)
    assert expected_percent_error([16, 32], 32, [64, 1e9]).shape == (2,)


def test_finite_batches_of_uniform_rows_lie_near_the_limit():
    rng = np.random.default_rng(0)
    for P, D in ((16, 16), (64, 64), (32, 128)):
        draws = [simulate_uniform(P, D, rng) for _ in range(400)]
        spread = 4 * np.std(draws) / 20
        assert abs(np.mean(draws) - expected_percent_error(P, D)) < 0.04 / min(P, D) + spread
