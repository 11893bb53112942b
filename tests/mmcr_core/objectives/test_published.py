"""Every objective of views against its published formula, its symmetries, and what it does at known points."""

import math
from dataclasses import asdict
from importlib import import_module

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmcr_core.config.defaults import run_spec
from mmcr_core.config.run import BudgetSpec, DatasetSpec, SpecError
from mmcr_core.objectives import OBJECTIVES, make_objective, objective_spec
from tests.mmcr_core.objectives import published

EVERY = sorted(set(OBJECTIVES) - {"mmcr"})
NAMES = [name for name in EVERY if hasattr(published, name)]  # those whose formula has no state
OTHER_OPTIONS = {
    "alignment": {},
    "simclr": {"temperature": 0.1},
    "barlow_twins": {"off_diagonal_weight": 0.3, "scale": 0.1},
    "vicreg": {
        "invariance_weight": 2.0,
        "variance_weight": 3.0,
        "covariance_weight": 0.5,
        "target_std": 1.5,
        "epsilon": 0.01,
    },
    "frossl": {"invariance_weight": 0.2},
    "mcr2": {"eps": 0.2, "expansion_scale": 1.0, "expansion_weight": 1.0},
}
ROTATION_INVARIANT = ("alignment", "simclr", "mcr2")
LENGTH_INVARIANT = ("alignment", "simclr", "mcr2")  # of each embedding


def embeddings(P, K, D, seed=0, dtype=torch.float32):
    """Views of an image are alike, dimensions are correlated and have different spreads."""
    generator = torch.Generator().manual_seed(seed)
    images, noise = (torch.randn(P, k, D, generator=generator, dtype=torch.float64) for k in (1, K))
    mixing = torch.randn(D, D, generator=generator, dtype=torch.float64) / D**0.5
    return ((images + 0.5 * noise) @ mixing + 0.2).to(dtype)


def value_and_gradient(loss, z):
    z = z.clone().requires_grad_()
    value = loss(z)
    value.backward()
    return value.item(), z.grad


def loss_of(name, z, **options):
    torch.manual_seed(0)  # of a predictor or prototypes
    return make_objective(name, dims=z.shape[-1], **options).loss(z, z.detach().clone(), torch.tensor(0.5))


@pytest.mark.parametrize("shape", [(6, 2, 4), (4, 2, 7), (5, 3, 4), (3, 3, 8), (3, 4, 2)], ids=str)
@pytest.mark.parametrize("options", ["defaults", "others"])
@pytest.mark.parametrize("name", NAMES)
def test_value_and_gradient_are_those_of_the_published_formula(name, options, shape):
    given_options = OTHER_OPTIONS[name] if options == "others" else {}
    all_options = asdict(objective_spec(name, **given_options))
    del all_options["name"]
    z = embeddings(*shape)
    expected, slope = value_and_gradient(lambda z: getattr(published, name)(z, **all_options), z.double())
    (single, single_slope), (double, double_slope) = (
        value_and_gradient(lambda z: loss_of(name, z, **given_options), each) for each in (z, z.double())
    )
    assert double == pytest.approx(expected, rel=1e-9, abs=1e-12)  # torch's softplus is linear from 20 on: 2e-9
    assert (double_slope - slope).norm() <= 1e-8 * slope.norm()
    assert single == pytest.approx(expected, rel=2e-6, abs=2e-6)
    assert (single_slope - slope).norm() <= 1e-5 * slope.norm()


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 10**6), P=st.integers(2, 7), K=st.integers(2, 4), D=st.integers(2, 7))
def test_the_order_of_images_and_of_views_does_not_matter(name, seed, P, K, D):
    z = embeddings(P, K, D, seed, torch.float64)
    order = torch.Generator().manual_seed(seed)
    shuffled = z[torch.randperm(P, generator=order)][:, torch.randperm(K, generator=order)]
    assert loss_of(name, shuffled).item() == pytest.approx(loss_of(name, z).item(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", ROTATION_INVARIANT)
@given(seed=st.integers(0, 10**6), P=st.integers(2, 7), K=st.integers(2, 4), D=st.integers(2, 7))
def test_rotating_all_embeddings_does_not_matter_where_dimensions_have_no_part(name, seed, P, K, D):
    z = embeddings(P, K, D, seed, torch.float64)
    turn = torch.linalg.qr(embeddings(D, 1, D, seed + 1, torch.float64)[:, 0])[0]
    assert loss_of(name, z @ turn).item() == pytest.approx(loss_of(name, z).item(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", LENGTH_INVARIANT)
@given(seed=st.integers(0, 10**6), P=st.integers(2, 7), K=st.integers(2, 4), D=st.integers(2, 7))
def test_lengths_of_embeddings_do_not_matter_on_the_sphere(name, seed, P, K, D):
    z = embeddings(P, K, D, seed, torch.float64)
    lengths = torch.rand(P, K, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.5
    assert loss_of(name, z * lengths).item() == pytest.approx(loss_of(name, z).item(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", ["barlow_twins", "frossl"])
@given(seed=st.integers(0, 10**6))
def test_lengths_of_dimensions_do_not_matter_where_they_are_normalized_over_the_batch(name, seed):
    z = 100 * embeddings(6, 3, 4, seed, torch.float64)
    lengths = torch.rand(4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.5
    assert loss_of(name, z * lengths).item() == pytest.approx(loss_of(name, z).item(), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("P_D", [(6, 3), (3, 6)], ids=str)
@pytest.mark.parametrize(
    "degenerate", ["zeros", "one point", "equal views", "a zero row", "a dead dimension", "huge", "bf16"]
)
@pytest.mark.parametrize("name", EVERY)
def test_value_and_gradient_are_finite_on_degenerate_embeddings(name, degenerate, P_D):
    P, D = P_D
    z = embeddings(P, 3, D)
    if degenerate == "zeros":
        z = torch.zeros_like(z)
    elif degenerate == "one point":
        z = z[:1, :1].expand(P, 3, D)
    elif degenerate == "equal views":
        z = z[:, :1].expand(P, 3, D)
    elif degenerate == "a zero row":
        z[1, 1] = 0
    elif degenerate == "a dead dimension":
        z[..., 0] = 0
    elif degenerate == "huge":
        z = 1e4 * z
    elif degenerate == "bf16":
        z = z.bfloat16()
    z = z.clone().requires_grad_()
    loss = loss_of(name, z)
    loss.backward()
    assert loss.dtype == torch.float32 and loss.shape == ()
    assert math.isfinite(loss.item())
    assert torch.isfinite(z.grad).all()


def one_frame(K):
    """Equal views of 4 images in an orthogonal frame, and all of them at one point."""
    return torch.eye(4)[:, None].expand(4, K, 4), torch.eye(4)[:1, None].expand(4, K, 4)


@pytest.mark.parametrize("K", [2, 3])
def test_an_orthogonal_frame_of_equal_views_and_a_collapse_have_their_known_losses(K):
    frame, collapse = one_frame(K)
    negatives = 3 * K
    assert loss_of("alignment", frame).item() == loss_of("alignment", collapse).item() == pytest.approx(-1)
    assert loss_of("simclr", frame).item() == pytest.approx(math.log(1 + negatives * math.exp(-2)), rel=1e-6)
    assert loss_of("simclr", collapse).item() == pytest.approx(math.log(1 + negatives), rel=1e-6)
    assert loss_of("frossl", frame).item() == pytest.approx(-K * math.log(4), rel=1e-6)
    one_point = torch.ones(4, K, 4)  # in the frame's own collapse three dimensions are dead
    assert loss_of("frossl", one_point).item() == pytest.approx(0, abs=1e-6)
    rate = math.log(1 + 4 / 0.5) / 2  # of one direction: each image's views
    spread = 4 * math.log(1 + 20 / 0.5) / 2
    assert loss_of("mcr2", frame).item() == pytest.approx(rate - 0.05 * spread, rel=1e-5)
    assert loss_of("mcr2", collapse).item() == pytest.approx(rate - 0.05 * math.log(1 + 20 * 4 / 0.5) / 2, rel=1e-5)
    assert loss_of("vicreg", collapse).item() == pytest.approx(25 * (1 - 0.01), rel=1e-6)
    assert loss_of("barlow_twins", collapse).item() == pytest.approx(4)


def test_equal_views_with_independent_dimensions_of_enough_spread_have_no_loss():
    signs = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])[:, None].expand(4, 3, 3) * 2
    assert loss_of("vicreg", signs).item() == pytest.approx(0, abs=1e-9)
    assert loss_of("barlow_twins", signs).item() == pytest.approx(0, abs=1e-9)


def test_plain_coding_rate_reduction_is_never_negative():
    """Yu et al. 2020: a whole has at least the coding rate of its parts."""
    for seed in range(20):
        assert loss_of("mcr2", embeddings(5, 3, 6, seed), expansion_scale=1.0, expansion_weight=1.0).item() <= 0


BAD = [
    ("simclr", {"temperature": 0.0}, "more than 0"),
    ("barlow_twins", {"off_diagonal_weight": -1.0}, "0 or more"),
    ("barlow_twins", {"scale": 0.0}, "more than 0"),
    ("vicreg", {"covariance_weight": -1.0}, "0 or more"),
    ("vicreg", {"epsilon": 0.0}, "more than 0"),
    ("frossl", {"invariance_weight": -0.1}, "0 or more"),
    ("byol", {"momentum": 1.1}, r"lie in \[0, 1\]"),
    ("byol", {"predictor_hidden": 0}, "1 or more"),
    ("swav", {"prototypes": 1}, "2 or more"),
    ("swav", {"epsilon": 0.0}, "more than 0"),
    ("swav", {"queue": -1}, "0 or more"),
    ("swav", {"queue_start": 2.0}, "share of the run"),
    ("mcr2", {"eps": 0.0}, "more than 0"),
    ("mcr2", {"expansion_weight": 0.0}, "more than 0"),
]


@pytest.mark.parametrize(("name", "options", "problem"), BAD)
def test_bad_options_are_refused(name, options, problem):
    with pytest.raises(SpecError, match=problem) as raised:
        objective_spec(name, **options)
    assert raised.value.key in options


@pytest.mark.parametrize("name", EVERY)
def test_a_run_with_one_view_is_refused(name):
    with pytest.raises(SpecError, match=f"must be 2 or more: '{name}' compares views") as raised:
        run_spec(DatasetSpec("digits"), 16, 8, 1, BudgetSpec(steps=1), objective=objective_spec(name))
    assert raised.value.key == "K"


LIGHTLY = {
    "simclr": lambda loss: lambda z: loss.NTXentLoss(temperature=0.5)(z[:, 0], z[:, 1]),
    "barlow_twins": lambda loss: lambda z: loss.BarlowTwinsLoss()(z[:, 0], z[:, 1]),
    "vicreg": lambda loss: lambda z: loss.VICRegLoss()(z[:, 0], z[:, 1]),
    "frossl": lambda loss: lambda z: loss.FroSSLLoss(invariance_weight=1.4)([z[:, 0], z[:, 1]]),
}


@pytest.mark.parametrize("name", LIGHTLY)
@pytest.mark.parametrize("P_D", [(64, 16), (16, 64)], ids=str)
def test_two_views_agree_with_lightly(name, P_D):
    import_module("mmcr_core.data.torchvision_import")  # lightly imports torchvision
    theirs = LIGHTLY[name](pytest.importorskip("lightly.loss"))
    z = embeddings(P_D[0], 2, P_D[1])
    (expected, slope), (value, own_slope) = (value_and_gradient(f, z) for f in (theirs, lambda z: loss_of(name, z)))
    assert value == pytest.approx(expected, rel=1e-5)
    assert (own_slope - slope).norm() <= 1e-4 * slope.norm()
