"""Computing blocks again in backward changes no number, and keeps less for it."""

import dataclasses

import pytest
import torch

from mmcr_core.config.run import EncoderSpec
from mmcr_core.models.ema_teacher import ema_copy
from mmcr_core.models.networks import build_network
from mmcr_core.models.recompute import blocks, recompute
from mmcr_core.objectives import objective_spec
from mmcr_core.training import Pretraining
from mmcr_core.training.memory import kept_by

RESNET = EncoderSpec("resnet18", "small", width=16)
SIZES = {"patch_size": 4, "embed_dim": 32, "depth": 2, "num_heads": 2}
VIT = EncoderSpec("timm", model="vit_tiny_patch16_224", options=SIZES)


def trained(spec, recomputed):
    run = Pretraining(spec, recomputed=recomputed)
    for _ in range(3):
        run.train_step()
    return run


@pytest.mark.parametrize(
    ("encoder", "objective", "precision"),
    [
        (RESNET, "mmcr", "fp32"),
        (RESNET, "byol", "bf16"),  # with an EMA teacher, and weights that are rounded outside of the blocks
        (EncoderSpec("resnet50", "small", width=8), "mmcr", "fp32"),
        (VIT, "mmcr", "fp32"),
        (None, "clip", "fp32"),  # a dual encoder
    ],
)
def test_three_steps_are_the_same_bit_for_bit(digits_spec, pairs_spec, encoder, objective, precision):
    make = digits_spec if encoder else pairs_spec
    spec = make(objective=objective_spec(objective), precision=precision, **({"encoder": encoder} if encoder else {}))
    plain, again = trained(spec, False).state_dict(), trained(spec, True).state_dict()
    for part in ("network", "objective", "teacher"):  # batch norm's statistics and counts among them
        before, after = plain[part] or {}, again[part] or {}
        assert list(before) == list(after)
        assert all(torch.equal(before[key], after[key]) for key in before), part
    assert torch.equal(plain["buffer"], again["buffer"])


def test_a_state_goes_on_in_a_run_that_recomputes_and_back(digits_spec):
    spec = digits_spec(encoder=RESNET)
    straight, first = trained(spec, False), trained(spec, True)
    other = Pretraining(spec)
    other.load_state_dict(first.state_dict())
    for run in (straight, other):
        run.train_step()
    assert torch.equal(straight.state_dict()["buffer"], other.state_dict()["buffer"])


def test_blocks_are_those_of_resnets_and_of_both_encoders_and_copies_are_their_own(digits_spec, pairs_spec):
    assert len(blocks(build_network(digits_spec(encoder=RESNET)))) == 8
    assert len(blocks(build_network(pairs_spec()))) == 3 + 2
    assert len(blocks(build_network(digits_spec(encoder=VIT)))) == 2
    assert blocks(build_network(digits_spec())) == []
    network = build_network(digits_spec(encoder=RESNET))
    recompute(network)
    copy = ema_copy(network)
    (copied, *_), (block, *_) = blocks(copy), blocks(network)
    views = torch.randn(4, 1, 8, 8)
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.zero_()
    assert copied.conv1.weight is not block.conv1.weight and block.conv1.weight.any()
    assert torch.equal(copy.eval()(views), copy(views))


def test_without_gradients_nothing_is_computed_again(digits_spec):
    network = build_network(digits_spec(encoder=RESNET))
    recompute(network)
    views = torch.randn(4, 1, 8, 8)
    with torch.no_grad():
        assert not network(views).requires_grad
    assert (
        kept_by(lambda: network.eval()(views), network).floating
        > kept_by(lambda: network.train()(views), network).floating
    )


def test_nothing_waits_for_the_device(digits_spec, pairs_spec):
    """On meta tensors a read raises."""
    for spec in (digits_spec(encoder=RESNET, objective=objective_spec("byol")), pairs_spec()):
        Pretraining(dataclasses.replace(spec, precision="bf16"), "meta", recomputed=True).train_step()
