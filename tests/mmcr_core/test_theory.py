"""Theory against quadrature, simulation and the nuclear norm itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from scipy.integrate import quad
from scipy.optimize import linprog
from scipy.special import comb

from mmcr_core.theory import (
    collapse,
    decompose,
    effective_rank,
    expected_percent_error,
    linearly_separable,
    log_bessel,
    log_sphere_area,
    log_von_mises_fisher_constant,
    mutual_information_bound,
    nuclear_norm_bound,
    nuclear_rank,
    percent_error,
    separable_probability,
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


@pytest.mark.parametrize("dims", [2, 3, 8, 41, 42, 128, 1024])
@pytest.mark.parametrize("kappa", [0.1, 5.0, 300.0, 2e4])
def test_the_von_mises_fisher_constant_normalizes_its_density(dims, kappa):
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


@given(dims=st.integers(1, 1200), log_x=st.floats(-28, 28))
@settings(max_examples=200)
def test_the_bessel_function_neither_overflows_nor_jumps(dims, log_x):
    """I is increasing in x and satisfies I_(v-1) - I_(v+1) = 2 v I_v / x; its logarithm is finite everywhere."""
    order, x = dims / 2 - 1, float(np.exp(log_x))
    here, further = log_bessel(order, x), log_bessel(order, 1.01 * x)
    assert np.isfinite([here, further]).all()
    if order >= 0.5:
        assert further > here
        below, above = log_bessel(order - 1, x), log_bessel(order + 1, x)
        middle = max(below, above, here)
        step = np.exp(below - middle) - np.exp(above - middle) - 2 * order / x * np.exp(here - middle)
        assert abs(step) < 4e-6 * (1 + 2 * order / x * np.exp(here - middle)) + 1e-14 * abs(middle)


@pytest.mark.parametrize("order", [-0.5, 0.0, 0.5, 3.0, 19.5, 20.0, 31.0, 511.0])
@pytest.mark.parametrize("x", [0.1, 3.0, 200.0])
def test_the_bessel_function_is_that_of_its_integral(order, x):
    """Poisson's integral: I_v(x) = (x/2)^v / (sqrt(pi) Gamma(v + 1/2)) int_0^pi exp(x cos t) sin(t)^(2 v) dt, v > -1/2;
    I_(-1/2)(x) = sqrt(2 / (pi x)) cosh x."""
    if order == -0.5:
        expected = 0.5 * np.log(2 / (np.pi * x)) + np.logaddexp(x, -x) - np.log(2)
    else:
        t = np.linspace(0, np.pi, 100_001)[1:-1]
        exponent = x * np.cos(t) + 2 * order * np.log(np.sin(t))
        integral = special.logsumexp(exponent) + np.log(t[1] - t[0])
        if order == 0:  # the ends count there, half each
            integral = np.logaddexp(integral, np.log((t[1] - t[0]) * np.cosh(x)))
        expected = order * np.log(x / 2) - 0.5 * np.log(np.pi) - special.gammaln(order + 0.5) + integral
    assert log_bessel(order, x) == pytest.approx(expected, abs=2e-6)


def around(centers, kappa, rng):
    """A draw of von Mises-Fisher distributions around the rows of `centers` (Wood 1994)."""
    n, D = centers.shape
    b = (D - 1) / (2 * kappa + np.sqrt(4 * kappa**2 + (D - 1) ** 2))
    x0 = (1 - b) / (1 + b)
    c = kappa * x0 + (D - 1) * np.log(1 - x0**2)
    cosine, left = np.empty(n), np.arange(n)
    while len(left):
        z, u = rng.beta((D - 1) / 2, (D - 1) / 2, len(left)), rng.random(len(left))
        w = (1 - (1 + b) * z) / (1 - (1 - b) * z)
        good = kappa * w + (D - 1) * np.log(1 - x0 * w) - c >= np.log(u)
        cosine[left[good]] = w[good]
        left = left[~good]
    aside = rng.standard_normal((n, D))
    aside -= (aside * centers).sum(1, keepdims=True) * centers
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    return cosine[:, None] * centers + np.sqrt(1 - cosine**2)[:, None] * aside


def information(D, spread, kappa, rng):
    """Mutual information of z2, uniform (spread 0) or von Mises-Fisher, and z1 around it with concentration kappa:
    E log q(z1 | z2) + H[z1], both means over draws, the density of z1 from fresh draws of z2."""
    pole = np.eye(D)[:1]
    few, many = 300, 20_000
    z2 = sphere(few, D, 5) if spread == 0 else around(np.repeat(pole, few, 0), spread, rng)
    z1, constant = around(z2, kappa, rng), log_von_mises_fisher_constant(kappa, D)
    own = kappa * (z1 * z2).sum(1) + constant
    if spread == 0:
        density = np.full(few, -log_sphere_area(D))
    else:
        others = around(np.repeat(pole, many, 0), spread, rng)
        density = special.logsumexp(kappa * z1 @ others.T, axis=1) - np.log(many) + constant
    return (own - density).mean(), (own - density).std() / np.sqrt(few)


@pytest.mark.parametrize(
    ("D", "spread", "kappa", "within"),
    [(2, 0, 5, 0.1), (8, 0, 5, 0.15), (8, 0, 20, 0.5), (3, 20, 200, 0.25), (16, 50, 50, 0.5), (64, 0, 10, 0.2),
     (64, 200, 200, np.inf), (16, 0, 30, np.inf), (3, 0, 1e3, np.inf)],
)  # fmt: skip
def test_the_bound_never_exceeds_the_information_and_is_near_where_pairs_suffice(D, spread, kappa, within):
    rng = np.random.default_rng(0)
    truth, error = information(D, spread, kappa, rng)
    found = []
    for draw in range(12):
        z2 = sphere(400, D, 100 + draw) if spread == 0 else around(np.repeat(np.eye(D)[:1], 400, 0), spread, rng)
        found.append(mutual_information_bound(around(z2, kappa, rng), z2))
    values = np.array([bound.value for bound in found])
    noise = np.hypot(values.std(ddof=1) / np.sqrt(len(values)), error)
    assert values.mean() <= truth + 2.5 * noise
    assert values.mean() >= truth - within - 2.5 * noise
    assert values.max() <= found[0].ceiling + 1e-9
    assert found[0].ceiling == pytest.approx(np.log(200))


def test_a_concentrated_cloud_has_no_information_that_is_not_there():
    """Kozachenko and Leonenko's entropy overshoots here by 7 nats and more: two independent draws must show none."""
    rng, pole = np.random.default_rng(1), np.repeat(np.eye(64)[:1], 600, 0)
    bound = mutual_information_bound(around(pole, 200.0, rng), around(pole, 200.0, rng))
    assert bound.value <= 0.05 and bound.low <= 0.01


def test_the_interval_is_as_wide_as_repeats_scatter():
    rng, bounds = np.random.default_rng(2), []
    for draw in range(60):
        z2 = sphere(200, 8, 1000 + draw)
        bounds.append(mutual_information_bound(around(z2, 5.0, rng), z2))
    scatter = np.std([bound.value for bound in bounds], ddof=1)
    claimed = np.mean([bound.high - bound.value for bound in bounds]) / 1.972
    assert 0.75 < claimed / scatter < 1.35


def test_the_bound_is_the_sum_of_its_two_terms_and_has_the_formula_of_infonce():
    z2 = sphere(50, 4)
    z1 = around(z2, 8.0, np.random.default_rng(3))
    bound = mutual_information_bound(z1, z2, concentration=6.0)
    logits = 6.0 * z1 @ z2.T
    infonce = np.log(50) - (special.logsumexp(logits, axis=1) - np.diag(logits)).mean()
    assert bound.value == pytest.approx(infonce)
    density = logits + log_von_mises_fisher_constant(6.0, 4)
    assert bound.reconstruction == pytest.approx(np.diag(density).mean())
    assert bound.entropy == pytest.approx(-(special.logsumexp(density, axis=1) - np.log(50)).mean())
    assert bound.entropy <= log_sphere_area(4) + 0.2
    assert (bound.concentration, bound.ceiling) == (6.0, np.log(50))


def test_reconstruction_and_uniformity_each_raise_the_bound():
    z, rng = sphere(500, 16), np.random.default_rng(1)

    def near(rows, amount):
        moved = rows + amount * rng.standard_normal(rows.shape)
        return moved / np.linalg.norm(moved, axis=1, keepdims=True)

    narrow = near(np.tile(z[:1], (500, 1)), 0.2)
    bounds = [mutual_information_bound(near(z, amount), z).value for amount in (1.0, 0.5, 0.3)]
    assert bounds == sorted(bounds)
    assert mutual_information_bound(near(narrow, 0.3), narrow).value < bounds[2]
    assert mutual_information_bound(sphere(500, 16, seed=7), z).value == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("D", [1, 2, 3, 64])
def test_perfect_reconstruction_reaches_the_ceiling_without_a_warning(D):
    z = sphere(40, D)
    bound = mutual_information_bound(z, z)
    most = np.log(20) if D > 1 else np.log(2)  # in one dimension there are two points
    assert 0.9 * most <= bound.value <= most + 0.05
    assert np.isfinite(bound).all()


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
    assert collapse(decompose(point).uniformity, 64, 32).startswith("collapsed: effective rank 1.")
    assert collapse(decompose(point).uniformity, 64, 32).endswith(" of 32")
    for P, D in [(2, 2), (3, 1), (8, 4), (16, 8), (64, 64)]:
        assert collapse(decompose(rng.standard_normal((P, D))).uniformity, P, D) == ""
    assert collapse(np.nan, 64, 32) == ""


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
def test_the_share_of_separable_labelings_is_the_sum_of_cover(P, N):
    assert separable_probability(P, N) == pytest.approx(
        sum(comb(P - 1, k) for k in range(N)) / 2.0 ** (P - 1), abs=1e-12
    )


def test_half_of_the_labelings_are_separable_at_two_points_a_dimension():
    N = np.array([1, 5, 40, 1000, 10**6])
    np.testing.assert_allclose(separable_probability(2 * N, N), 0.5, rtol=1e-9)
    assert np.all(np.diff(separable_probability(np.linspace(1, 60, 400), 10)) <= 0)
    assert separable_probability(1.9e4, 1e4) > 1 - 1e-6 > 1e-6 > separable_probability(2.1e4, 1e4)
    for bad in ((0, 3), (3, 0), (np.nan, 3)):
        with pytest.raises(ValueError, match="positive"):
            separable_probability(*bad)


def test_all_labelings_of_a_few_points_are_counted_right():
    """2 (n_0 + ... ) of Cover's theorem, by trying every one of them."""
    rng = np.random.default_rng(0)
    for P, N in ((5, 2), (6, 3), (7, 5)):
        points = rng.standard_normal((P, N))
        labels = 1 - 2 * ((np.arange(2**P)[:, None] >> np.arange(P)) & 1)
        assert np.mean([linearly_separable(points, y) for y in labels]) == separable_probability(P, N)


@given(P=st.integers(1, 30), D=st.integers(1, 15), seed=st.integers(0, 10_000), scale=st.floats(1e-30, 1e30))
@settings(max_examples=60)
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
