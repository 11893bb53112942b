"""Encoders, stems and the projector."""

import pytest
import torch

from mmcr_core.images.encoders import build_encoder, build_network, build_projector
from mmcr_core.spec import EncoderSpec, ProjectorSpec
from mmcr_core.training.flops import network_flops


@pytest.mark.parametrize(
    ("spec", "channels", "size"),
    [
        (EncoderSpec("resnet18", "imagenet"), 3, 64),
        (EncoderSpec("resnet18", "small"), 3, 32),
        (EncoderSpec("resnet18", "imagenet"), 1, 64),
        (EncoderSpec("convnet"), 1, 8),
        (EncoderSpec("convnet"), 3, 32),
    ],
)
def test_networks_map_images_to_embeddings(spec, channels, size):
    network = build_network(spec, ProjectorSpec((32,)), 16, channels, seed=0)
    assert network(torch.rand(4, channels, size, size)).shape == (4, 16)


def test_the_small_stem_keeps_the_resolution_and_costs_fifteen_times_more():
    encoder, features = build_encoder(EncoderSpec("resnet18", "small"), 3)
    assert features == 512
    assert encoder.conv1.stride == (1, 1)
    assert isinstance(encoder.maxpool, torch.nn.Identity)
    small, imagenet = (
        network_flops(EncoderSpec("resnet18", stem), ProjectorSpec(), 128, 3, 64) for stem in ("small", "imagenet")
    )
    assert small / imagenet == pytest.approx(15, rel=0.1)


def test_the_projector_ends_in_dims_without_biases():
    projector = build_projector(128, (64, 32), 10)
    linear = [layer for layer in projector if isinstance(layer, torch.nn.Linear)]
    assert [layer.out_features for layer in linear] == [64, 32, 10]
    assert all(layer.bias is None for layer in linear)
    assert sum(isinstance(layer, torch.nn.BatchNorm1d) for layer in projector) == 2


def test_weights_follow_from_the_seed_and_leave_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, same, other = (build_network(EncoderSpec("convnet"), ProjectorSpec((8,)), 4, 1, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    first = [next(network.parameters()) for network in (one, same, other)]
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])
