"""Manifold capacity against closed forms, quadrature and simulated labelings."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad

from mmcr_core.manifold_capacity import Capacity, manifold_capacity
from mmcr_core.theory import linearly_separable


def sphere_capacity(radius, dims):
    """Capacity of spheres, radius in units of the center's length: Chung, Lee and Sompolinsky 2016, "Linear readout of
    object manifolds", at margin 0. With t of length r within the sphere's space and u along the center, the anchor is
    at the sphere's edge for -R r < u < r / R, inside of it above."""

    density, share, a = stats.norm.pdf, stats.norm.cdf, radius

    def at(r):
        touching = [(1 + (a * r) ** 2) * share(u) - (u + 2 * a * r) * density(u) for u in (r / a, -a * r)]
        inside = (1 + r**2) * share(-r / a) + r / a * density(r / a)
        return stats.chi.pdf(r, dims) * ((touching[0] - touching[1]) / (1 + a**2) + inside)

    return 1 / quad(at, 0, 40)[0]


def spheres(M, N, radius, dims, ambient=120, seed=0):
    """M spheres around random centers of length 1, in random spaces at right angles to them: (M, N, ambient)."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((M, ambient, dims + 1)))[0]
    s = rng.standard_normal((M, N, dims))
    if dims == 1:
        s[:] = np.resize([1.0, -1.0], (N, 1))
    if dims == 2:
        angle = 2 * np.pi * np.arange(N) / N
        s[:] = np.stack([np.cos(angle), np.sin(angle)], 1)
    s *= radius / np.linalg.norm(s, axis=-1, keepdims=True)
    return axes[:, None, :, 0] + s @ axes[:, :, 1:].mT


@pytest.mark.parametrize(("radius", "dims", "alpha"), [(1, 1, 1), (1, 2, 2 / 3), (1, 5, 1 / 3), (30, 4, 1 / 4.5)])
def test_the_reference_has_the_published_limits(radius, dims, alpha):
    """A sphere as large as its center is far has a self-dual cone, 2 / (D + 1); a huge one takes D + 1/2 dimensions."""
    assert sphere_capacity(radius, dims) == pytest.approx(alpha, rel=0.03 if radius > 1 else 1e-6)
    assert sphere_capacity(1e-6, dims) == pytest.approx(2, rel=1e-4)


@pytest.mark.parametrize(
    ("radius", "dims", "points"), [(0.3, 1, 2), (1, 1, 2), (3, 1, 2), (0.5, 2, 60), (2, 2, 60), (1, 3, 400)]
)
def test_spheres_have_the_capacity_radius_and_dimension_of_theory(radius, dims, points):
    found = manifold_capacity(spheres(30, points, radius, dims), remove_mean=False, samples=400)
    assert found.alpha == pytest.approx(sphere_capacity(radius, dims), rel=0.02)
    assert found.dimension == pytest.approx(dims, rel=0.02)
    assert found.radius <= radius * 1.001  # the anchor of a t that lies in the cone is inside the sphere
    if radius < 0.6:
        assert found.radius == pytest.approx(radius, rel=0.05)


@pytest.mark.parametrize("method", ["mean_field", "joint"])
@pytest.mark.parametrize(("M", "D"), [(20, 64), (64, 64), (50, 128)])
def test_points_have_the_capacity_two_of_cover(method, M, D):
    """Also with correlated points and their mean removed: how many labelings a hyperplane makes does not depend on
    where points in general position lie."""
    points = np.random.default_rng(0).standard_normal((M, 1, D)) * np.geomspace(1, 0.1, D) + 3
    found = manifold_capacity(points, method=method, samples=1000)
    assert found.alpha == pytest.approx(2, rel=1e-9 if method == "mean_field" else 0.03)
    assert (found.radius, found.dimension) == (0, 0)


def test_views_that_hardly_differ_are_as_good_as_points():
    rng = np.random.default_rng(0)
    near = rng.standard_normal((20, 1, 40)) + 1e-7 * rng.standard_normal((20, 8, 40))
    found = manifold_capacity(near)
    assert found.alpha == pytest.approx(2, rel=1e-4)
    assert 0 < found.radius < 1e-6


CLOUDS = {
    "points": lambda rng: rng.standard_normal((40, 1, 100)),
    "circles": lambda rng: spheres(20, 24, 0.5, 2),
    "spheres": lambda rng: spheres(20, 30, 1, 3),
    "ellipsoids": lambda rng: (
        rng.standard_normal((20, 1, 60))
        + rng.standard_normal((20, 30, 60)) * rng.permuted(np.tile(np.geomspace(2, 0.02, 60), (20, 1)), axis=1)[:, None]
    ),
}


def separable_fraction(points, dims, repeats, rng):
    """Share of random labelings of M manifolds that are separable after a random projection to `dims` dimensions: the
    simulation that the capacity predicts. Half are at dims = M / alpha."""
    x = points - points.mean((0, 1))
    M, N, D = x.shape
    found = 0
    for _ in range(repeats):
        seen = x.reshape(M * N, D) @ rng.standard_normal((D, dims))
        found += linearly_separable(seen, np.repeat(rng.choice((-1.0, 1.0), M), N))
    return found / repeats


def half_way(points, near, repeats, rng):
    """Dimensions at which half of the labelings are separable: a probit line through simulated shares."""
    dims = np.unique(np.round(near + np.arange(-6, 7, 3))).astype(int)
    share = np.array([separable_fraction(points, n, repeats, rng) for n in dims])
    slope, intercept = np.polyfit(dims, stats.norm.ppf((share * repeats + 0.5) / (repeats + 1)), 1)
    return -intercept / slope


@pytest.mark.parametrize("cloud", CLOUDS)
def test_simulated_labelings_are_separable_where_both_theories_say(cloud):
    points = CLOUDS[cloud](np.random.default_rng(5))
    M = len(points)
    alone, together = manifold_capacity(points), manifold_capacity(points, method="joint", samples=100)
    simulated = M / half_way(points, M / together.alpha, 60, np.random.default_rng(0))
    assert together.alpha == pytest.approx(simulated, rel=0.05)
    assert alone.alpha == pytest.approx(simulated, rel=0.12)  # large M would bring it nearer


def test_the_joint_value_knows_correlations_and_the_mean_field_does_not():
    """Centers in three dimensions need more dimensions than random ones, axes that all manifolds share fewer."""
    rng = np.random.default_rng(5)
    few = rng.standard_normal((20, 1, 3)) @ rng.standard_normal((3, 60)) + 0.3 * rng.standard_normal((20, 1, 60))
    crowded = few + 0.3 * rng.standard_normal((20, 10, 60))
    shared = rng.standard_normal((20, 1, 60)) + rng.standard_normal((20, 20, 60)) * np.geomspace(2, 0.02, 60)
    for points, sign in ((crowded, 1), (shared, -1)):
        alone, together = manifold_capacity(points), manifold_capacity(points, method="joint", samples=100)
        simulated = 20 / half_way(points, 20 / together.alpha, 60, np.random.default_rng(0))
        assert together.alpha == pytest.approx(simulated, rel=0.06)
        assert sign * np.log(alone.alpha / simulated) > 0.3


def test_manifolds_at_right_angles_have_one_capacity_by_both_methods():
    rng = np.random.default_rng(0)
    points = np.zeros((6, 8, 60))
    for m in range(6):
        points[m, :, 10 * m : 10 * m + 10] = 1 + rng.standard_normal((8, 10))
    options = {"remove_mean": False, "samples": 4000}
    alone, together = manifold_capacity(points, **options), manifold_capacity(points, method="joint", **options)
    assert together.alpha == pytest.approx(alone.alpha, rel=0.02)
    assert (together.radius, together.dimension) == (alone.radius, alone.dimension)


def test_manifolds_that_are_not_separable_as_they_lie_have_the_joint_capacity_M_over_D():
    points = np.random.default_rng(0).standard_normal((12, 30, 10))
    assert manifold_capacity(points, method="joint").alpha == pytest.approx(12 / 10)


@given(seed=st.integers(0, 1000), scale=st.floats(1e-160, 1e160), shift=st.floats(-5, 5))
@settings(max_examples=25)
def test_scale_rotation_and_a_common_offset_change_nothing(seed, scale, shift):
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((8, 1, 12)) + 0.6 * rng.standard_normal((8, 6, 12))
    turn = np.linalg.qr(rng.standard_normal((12, 12)))[0]
    given_, moved = manifold_capacity(points), manifold_capacity(scale * (points @ turn + shift))
    assert moved.radius == pytest.approx(given_.radius, rel=0.05)
    assert moved.alpha == pytest.approx(given_.alpha, rel=0.05)
    assert manifold_capacity(scale * points).alpha == pytest.approx(given_.alpha, rel=1e-9)


@given(seed=st.integers(0, 1000), radius=st.floats(0.05, 3), M=st.integers(2, 10), N=st.integers(2, 12))
@settings(max_examples=40)
def test_larger_manifolds_have_less_capacity(seed, radius, M, N):
    """The hull about the center grows, with it the cone, and all projections."""
    rng = np.random.default_rng(seed)
    around = rng.standard_normal((M, N, 10))
    around -= around.mean(1, keepdims=True)
    centers = rng.standard_normal((M, 1, 10))
    small, large = (
        manifold_capacity(centers + r * around, remove_mean=False, samples=1000) for r in (radius, 2 * radius)
    )
    assert large.alpha <= small.alpha * 1.02
    assert 1 / min(N, 10) <= small.alpha <= 2 + 1e-9


def test_the_same_seed_gives_the_same_and_no_global_generator_is_touched():
    points = np.random.default_rng(0).standard_normal((5, 6, 8))
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    first, again, other = (manifold_capacity(points, seed=seed) for seed in (0, 0, 1))
    assert first == again != other
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[1])
    assert first.alpha_interval[0] < first.alpha < first.alpha_interval[1]


def test_tensors_and_arrays_of_any_type_are_computed_in_double():
    points = torch.randn(5, 6, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    exact = manifold_capacity(points.detach().double().numpy())
    assert manifold_capacity(points) == exact
    assert manifold_capacity(points.bfloat16()).alpha == pytest.approx(exact.alpha, rel=0.02)
    whole = np.random.default_rng(0).integers(-5, 5, (4, 3, 6))
    assert manifold_capacity(whole) == manifold_capacity(whole.astype(float))


def test_the_intervals_hold_the_capacity_of_more_manifolds():
    """Of twenty sets of 10 manifolds of one kind, nearly all intervals hold what 200 of them have."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((200, 1, 30)) + rng.uniform(0.2, 1.5, (200, 1, 1)) * rng.standard_normal((200, 6, 30))
    truth = manifold_capacity(points, remove_mean=False)
    parts = [manifold_capacity(part, remove_mean=False, seed=i) for i, part in enumerate(points.reshape(20, 10, 6, 30))]
    for name in ("alpha", "radius", "dimension"):
        intervals = [getattr(part, f"{name}_interval") for part in parts]
        assert sum(low <= getattr(truth, name) <= high for low, high in intervals) >= 17


GOOD = np.random.default_rng(0).standard_normal((3, 4, 5))


@pytest.mark.parametrize(
    ("points", "options", "says"),
    [
        (GOOD[0], {}, r"shape \(4, 5\); expected \(M, N, D\)"),
        (GOOD[:1], {}, "two or more manifolds"),
        (GOOD[:, :0], {}, "N >= 1"),
        (np.where(GOOD > 1, np.nan, GOOD), {}, "NaN"),
        (np.where(GOOD > 1, np.inf, GOOD), {}, "infinity"),
        (np.ones((3, 4, 5)), {}, "all points are the same"),
        (np.zeros((3, 4, 5)), {"remove_mean": False}, "all points are the same"),
        (GOOD, {"method": "exact"}, "use one of mean_field, joint"),
        (GOOD, {"samples": 1}, "2 or more"),
        (GOOD, {"seed": -1}, "seed is -1; give 0 or more"),
        (np.zeros((101, 100, 2)), {"method": "joint"}, "10100 points are too many"),
    ],
)
def test_bad_points_are_refused_in_one_sentence(points, options, says):
    with pytest.raises(ValueError, match=says):
        manifold_capacity(points, **options)


def test_a_capacity_is_three_numbers_with_their_intervals():
    found = dataclasses.asdict(manifold_capacity(GOOD))
    assert [f.name for f in dataclasses.fields(Capacity)][:3] == ["alpha", "radius", "dimension"]
    for name in ("alpha", "radius", "dimension"):
        low, high = found[f"{name}_interval"]
        assert low <= found[name] <= high
