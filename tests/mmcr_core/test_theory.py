"""Theory against quadrature, simulation and the nuclear norm itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad
from scipy.optimize import linprog
from scipy.special import comb

from mmcr_core.theory import (
    decompose,
    expected_percent_error,
    linearly_separable,
    log_sphere_area,
    log_von_mises_fisher_constant,
    mutual_information_bound,
    nuclear_norm_bound,
    percent_error,
    separable_probability,
    simulate_uniform,
    sphere_entropy,
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


@pytest.mark.parametrize("dims", [2, 3, 8, 41, 42, 128, 1024])
@pytest.mark.parametrize("kappa", [0.1, 5.0, 300.0, 2e4])
def test_the_von_mises_fisher_constant_normalises_its_density(dims, kappa):
    """Against quadrature over the polar angle, whose density is proportional to sin^(D - 2)."""
    log_f = lambda t: kappa * np.cos(t) + (dims - 2) * np.log(np.sin(t))  # noqa: E731
    grid = np.linspace(1e-9, np.pi - 1e-9, 400_001)
    values = log_f(grid)
    integral = np.log(np.trapezoid(np.exp(values - values.max()), grid)) + values.max()
    ring = log_sphere_area(dims - 1) if dims > 2 else np.log(2)
    assert log_von_mises_fisher_constant(kappa, dims) + ring + integral == pytest.approx(0, abs=2e-5)


def sphere(n, D, seed=0):
    z = np.random.default_rng(seed).standard_normal((n, D))
    return z / np.linalg.norm(z, axis=1, keepdims=True)


@pytest.mark.parametrize("D", [2, 3, 16, 128])
def test_the_entropy_of_uniform_rows_is_the_log_area_and_no_other_is_larger(D):
    uniform = np.mean([sphere_entropy(sphere(400, D, seed)) for seed in range(5)])
    assert uniform == pytest.approx(log_sphere_area(D), abs=0.1)
    squeezed = sphere(400, D) * ([1.0] + [0.5] * (D - 1))
    squeezed /= np.linalg.norm(squeezed, axis=1, keepdims=True)
    assert sphere_entropy(squeezed) < uniform


def test_the_bound_is_the_mutual_information_of_a_von_mises_channel():
    """On the circle with von Mises noise q is the true conditional: I = log(2 pi) - h(noise), in closed form."""
    rng, kappa, n = np.random.default_rng(0), 20.0, 4000
    angle = rng.uniform(0, 2 * np.pi, n)
    noisy = angle + rng.vonmises(0, kappa, n)
    z1, z2 = (np.stack([np.cos(a), np.sin(a)], 1) for a in (noisy, angle))
    truth = np.log(2 * np.pi) - stats.vonmises(kappa).entropy()
    assert mutual_information_bound(z1, z2) == pytest.approx(truth, abs=0.05)
    assert mutual_information_bound(z1, z2, concentration=5.0) < truth - 0.1


def test_reconstruction_and_uniformity_each_raise_the_bound():
    z, rng = sphere(500, 16), np.random.default_rng(1)

    def near(rows, amount):
        moved = rows + amount * rng.standard_normal(rows.shape)
        return moved / np.linalg.norm(moved, axis=1, keepdims=True)

    narrow = near(np.tile(z[:1], (500, 1)), 0.2)
    independent = sphere(500, 16, seed=7)
    bounds = [mutual_information_bound(near(z, amount), z) for amount in (0.3, 0.1, 0.03)]
    assert bounds == sorted(bounds)
    assert mutual_information_bound(near(narrow, 0.1), narrow) < bounds[1]
    assert mutual_information_bound(independent, z) == pytest.approx(0, abs=0.2)
    assert mutual_information_bound(z, z) == np.inf


@pytest.mark.parametrize(
    ("z1", "z2", "says"),
    [
        (np.ones((5, 3)), np.ones((5, 3)), "length 1"),
        (sphere(5, 3), sphere(6, 3), "must both be"),
        (sphere(3, 3), sphere(3, 3), "must both be"),
    ],
)
def test_bad_embeddings_are_refused(z1, z2, says):
    with pytest.raises(ValueError, match=says):
        mutual_information_bound(z1, z2)


def test_impossible_norms_are_refused_and_nan_is_kept():
    with pytest.raises(ValueError, match="longer than 1"):
        percent_error(9.0, 4, 4)
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


@given(P=st.integers(2, 400), D=st.integers(2, 400), factor=st.floats(1, 50))
@settings(deadline=None)
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


@pytest.mark.parametrize(("P", "N"), [(1, 1), (5, 7), (6, 3), (7, 1), (20, 10), (31, 12), (60, 20)])
def test_the_share_of_separable_labellings_is_the_sum_of_cover(P, N):
    assert separable_probability(P, N) == pytest.approx(
        sum(comb(P - 1, k) for k in range(N)) / 2.0 ** (P - 1), abs=1e-12
    )


def test_half_of_the_labellings_are_separable_at_two_points_a_dimension():
    N = np.array([1, 5, 40, 1000, 10**6])
    np.testing.assert_allclose(separable_probability(2 * N, N), 0.5, rtol=1e-9)
    assert np.all(np.diff(separable_probability(np.linspace(1, 60, 400), 10)) <= 0)
    assert separable_probability(1.9e4, 1e4) > 1 - 1e-6 > 1e-6 > separable_probability(2.1e4, 1e4)
    for bad in ((0, 3), (3, 0), (np.nan, 3)):
        with pytest.raises(ValueError, match="positive"):
            separable_probability(*bad)


def test_all_labellings_of_a_few_points_are_counted_right():
    """2 (n_0 + ... ) of Cover's theorem, by trying every one of them."""
    rng = np.random.default_rng(0)
    for P, N in ((5, 2), (6, 3), (7, 5)):
        points = rng.standard_normal((P, N))
        labels = 1 - 2 * ((np.arange(2**P)[:, None] >> np.arange(P)) & 1)
        assert np.mean([linearly_separable(points, y) for y in labels]) == separable_probability(P, N)


@given(P=st.integers(1, 30), D=st.integers(1, 15), seed=st.integers(0, 10_000), scale=st.floats(1e-30, 1e30))
@settings(max_examples=60, deadline=None)
def test_separability_is_what_a_linear_program_finds(P, D, seed, scale):
    rng = np.random.default_rng(seed)
    points, labels = rng.standard_normal((P, D)), rng.choice((-1.0, 1.0), P)
    sides = -points * labels[:, None]
    program = linprog(np.zeros(D), A_ub=sides, b_ub=-np.ones(P), bounds=(None, None))
    assert linearly_separable(scale * points, labels) == (program.status == 0)


def test_points_on_the_hyperplane_are_on_no_side():
    plane = np.array([[1.0, 0], [-1, 0], [0, 1]])
    assert not linearly_separable(plane, [1, 1, 1])
    assert linearly_separable(plane, [1, -1, 1])
    assert not linearly_separable(np.zeros((2, 3)), [1, -1])
    assert not linearly_separable(np.ones((2, 3)), [1, -1])
