"""Encoders, stems and the projector."""

import pytest
import torch

from mmcr_core.images.encoders import (
    FEATURES,
    ImageNetwork,
    build_encoder,
    build_network,
    build_projector,
    rank_bound,
)
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
    network = ImageNetwork(spec, ProjectorSpec((32,)), 16, channels, views=2)
    assert network(torch.rand(4, channels, size, size)).shape == (2, 2, 16)
    assert network.encoder(torch.rand(4, channels, size, size)).shape == (4, FEATURES[spec.name])


def test_the_small_stem_keeps_the_resolution_and_costs_fifteen_times_more():
    encoder = build_encoder(EncoderSpec("resnet18", "small"), 3)
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


def test_weights_follow_from_the_seed_and_leave_the_global_generator_alone(digits_spec):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, same, other = (build_network(digits_spec(seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    first = [next(network.parameters()) for network in (one, same, other)]
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])


def test_views_of_an_image_stand_together(digits_spec):
    network = build_network(digits_spec(K=3)).eval()
    views = torch.rand(6, 1, 8, 8)
    z = network(views)
    assert torch.allclose(z[1, 2], network.projector(network.encoder(views[5:6]))[0], atol=1e-6)


@pytest.mark.parametrize(("hidden", "bound"), [((), 128), ((32,), 32), ((16, 64), 64), ((512,), 512)])
def test_the_last_hidden_width_bounds_the_rank_of_the_embeddings(digits_spec, hidden, bound):
    spec = digits_spec(P=200, D=150, K=1, projector=ProjectorSpec(hidden))
    assert rank_bound(spec) == bound
    z = build_network(spec)(torch.randn(200, 1, 8, 8))[:, 0].detach()
    rank = int(torch.linalg.matrix_rank(z.double(), rtol=1e-6))
    assert rank <= min(bound, 150)
    if hidden == (16, 64):
        assert rank > 16  # the ReLU after an earlier, narrower layer makes the rank grow again
