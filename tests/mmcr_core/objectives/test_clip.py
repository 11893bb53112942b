"""CLIP's and SigLIP's losses against open_clip's, and what they do with several views and captions."""

import math

import pytest
import torch

from mmcr_core.models.dual_encoder import open_clip
from mmcr_core.nuclear_norm import nuclear_norm
from mmcr_core.objectives import build_objective, make_objective, objective_spec


def pairs(P=12, K=2, D=8):
    z = torch.randn(P, K, D, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return z.requires_grad_()


def theirs(name, image, text, objective):
    scale = objective.log_scale.exp()
    if name == "clip":
        return open_clip().ClipLoss()(image, text, scale)
    return open_clip().loss.SigLipLoss()(image, text, scale, objective.bias)


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_value_and_gradients_are_those_of_open_clip(name):
    z, other = pairs(), pairs()
    objective = make_objective(name, dims=8).double()
    loss = objective.loss(z)
    found = torch.autograd.grad(loss, [z, *objective.parameters()])
    unit = torch.nn.functional.normalize(other, dim=-1)
    expected = theirs(name, unit[:, 0], unit[:, 1], objective)
    wanted = torch.autograd.grad(expected, [other, *objective.parameters()])
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
    for one, another in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, another, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_several_views_and_captions_are_a_mean_over_pairs_of_both(name):
    z = pairs(K=5).detach()
    objective = build_objective(objective_spec(name), 8, captions=2).double()
    single = build_objective(objective_spec(name), 8, captions=1).double()
    apart = [single.loss(z[:, [view, caption]]) for view in range(3) for caption in (3, 4)]
    torch.testing.assert_close(objective.loss(z), torch.stack(apart).mean(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "scale", "bias"), [("clip", 1 / 0.07, None), ("siglip", 10, -10)])
def test_scale_and_bias_begin_as_published(name, scale, bias):
    objective = make_objective(name, dims=8)
    assert math.exp(objective.log_scale.item()) == pytest.approx(scale, rel=1e-6)
    assert bias is None or objective.bias.item() == bias


def test_the_scale_of_clip_stays_within_1_and_100():
    objective = make_objective("clip", dims=8)
    for given, kept in ((9.0, 100.0), (-1.0, 1.0), (3.0, math.exp(3))):
        with torch.no_grad():
            objective.log_scale.fill_(given)
        objective.after_step()
        assert objective.log_scale.exp().item() == pytest.approx(kept, rel=1e-5)


def test_mmcr_with_clip_is_the_sum_of_both():
    z = pairs().detach()
    both = make_objective("mmcr", dims=8, clip_weight=0.3).double()
    clip = make_objective("clip", dims=8).double()
    centroids = torch.nn.functional.normalize(z, dim=-1).mean(1)
    torch.testing.assert_close(both.loss(z), 0.3 * clip.loss(z) - nuclear_norm(centroids), rtol=1e-10, atol=1e-10)
    assert [tuple(p.shape) for p in both.parameters()] == [()]


def test_what_compares_captions_says_so():
    needs = {name: objective_spec(name).needs_captions for name in ("mmcr", "simclr", "clip", "siglip")}
    assert needs == {"mmcr": False, "simclr": False, "clip": True, "siglip": True}
    assert objective_spec("mmcr", clip_weight=0.1).needs_captions
