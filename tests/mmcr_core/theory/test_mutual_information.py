"""The bound of the mutual information against exact values, and the functions of von Mises and Fisher."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from mmcr_core.theory import mutual_information_bound
from mmcr_core.theory.mutual_information import log_bessel, log_von_mises_fisher_constant


def log_sphere_area(dims):
    """log of the area of the unit sphere in `dims` dimensions."""
    return float(np.log(2) + dims / 2 * np.log(np.pi) - special.gammaln(dims / 2))


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
