"""Projections on cones against scipy's solver and against the conditions that hold at the optimum alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from mmcr_core.nonnegative_least_squares import cone_weights


def violation(generators, targets, weights, signs=None):
    """Largest violation of Karush, Kuhn and Tucker's conditions, which the projection alone fulfills."""
    signs = np.ones(weights.shape) if signs is None else signs
    projected = (weights * signs) @ generators
    rest = targets - projected
    lengths = np.linalg.norm(generators, axis=-1)[:, None]
    gain = (rest @ generators.mT) * signs / np.where(lengths > 0, lengths, 1)
    return max(gain.max(), np.abs((rest * projected).sum(-1)).max(), -weights.min())


LENGTHS = np.geomspace(1e-9, 1e6, 30)[:, None]
CLOUDS = {
    "far_apart": lambda rng, center: center + rng.standard_normal((6, 30, 20)),
    "near": lambda rng, center: center + 0.05 * rng.standard_normal((6, 30, 20)),
    "equal_but_for_rounding": lambda rng, center: center + 1e-9 * rng.standard_normal((6, 30, 20)),
    "equal": lambda rng, center: np.repeat(center, 30, axis=1),
    "each_twice": lambda rng, center: np.repeat(center + rng.standard_normal((6, 15, 20)), 2, axis=1),
    "in_a_plane": lambda rng, center: rng.standard_normal((6, 30, 2)) @ rng.standard_normal((6, 2, 20)),
    "on_a_line": lambda rng, center: center * np.linspace(1, 2, 30)[:, None],
    "opposite": lambda rng, center: center * np.where(np.arange(30) % 2, 1, -1)[:, None],
    "all_directions": lambda rng, center: rng.standard_normal((6, 60, 5)),
    "some_at_the_origin": lambda rng, center: center * (np.arange(30) % 3)[:, None],
    "long_and_short": lambda rng, center: (center + rng.standard_normal((6, 30, 20))) * LENGTHS,
    "thin": lambda rng, center: center + rng.standard_normal((6, 30, 20)) * np.geomspace(1, 1e-5, 20),
}


@pytest.mark.parametrize("cloud", CLOUDS)
def test_projections_are_those_of_a_well_kept_solver(cloud):
    rng = np.random.default_rng(1)
    generators = CLOUDS[cloud](rng, rng.standard_normal((6, 1, 20)))
    targets = rng.standard_normal((6, 10, generators.shape[2]))
    weights = cone_weights(generators, targets)
    assert violation(generators, targets, weights) < 1e-8
    for m in range(6):
        for t in range(10):
            reference = nnls(generators[m].T, targets[m, t], maxiter=5000)[0] @ generators[m]
            np.testing.assert_allclose(weights[m, t] @ generators[m], reference, atol=1e-7)


@given(M=st.integers(1, 4), N=st.integers(1, 12), D=st.integers(1, 8), seed=st.integers(0, 10_000))
@settings(max_examples=80)
def test_every_shape_ends_at_the_optimum(M, N, D, seed):
    rng = np.random.default_rng(seed)
    generators, targets = rng.standard_normal((M, N, D)), rng.standard_normal((M, 5, D))
    signs = rng.choice((-1.0, 1.0), (M, 5, N))
    for turned in (None, signs):
        weights = cone_weights(generators, targets, turned)
        # Weights of nearly dependent generators are large, and rounding of their products goes with the squares.
        assert violation(generators, targets, weights, turned) < 1e-9 + 1e-13 * weights.max() ** 2


def test_signs_turn_the_generators_of_a_problem():
    rng = np.random.default_rng(0)
    generators, targets = rng.standard_normal((1, 8, 6)), rng.standard_normal((1, 4, 6))
    signs = rng.choice((-1.0, 1.0), (1, 4, 8))
    together = cone_weights(generators, targets, signs)
    for t in range(4):
        alone = cone_weights(generators * signs[0, t][:, None], targets[:, t : t + 1])
        np.testing.assert_allclose(together[:, t : t + 1], alone, atol=1e-12)
