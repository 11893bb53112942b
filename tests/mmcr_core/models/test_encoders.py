"""Encoders, stems and the projector."""

import pytest
import torch

from mmcr_core.config.run import EncoderSpec, ProjectorSpec, SpecError
from mmcr_core.data.torchvision_import import torchvision
from mmcr_core.models.encoders import (
    ImageNetwork,
    build_encoder,
    build_network,
    build_projector,
    feature_count,
    rank_bound,
)
from mmcr_core.training.flops import network_flops


@pytest.mark.parametrize(
    ("spec", "channels", "size"),
    [
        (EncoderSpec("resnet18", "imagenet"), 3, 64),
        (EncoderSpec("resnet18", "small"), 3, 32),
        (EncoderSpec("resnet18", "imagenet"), 1, 64),
        (EncoderSpec("resnet18", "small", width=16), 3, 32),
        (EncoderSpec("resnet34", width=8), 1, 32),
        (EncoderSpec("resnet50", "small", width=4), 3, 32),
        (EncoderSpec("convnet"), 1, 8),
        (EncoderSpec("convnet"), 3, 32),
    ],
)
def test_networks_map_images_to_embeddings(spec, channels, size):
    network = ImageNetwork(spec, ProjectorSpec((32,)), 16, channels, views=2)
    assert network(torch.rand(4, channels, size, size)).shape == (2, 2, 16)
    assert network.encoder(torch.rand(4, channels, size, size)).shape == (4, feature_count(spec, channels, size))


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50"])
def test_resnets_of_standard_width_are_torchvisions_weight_for_weight(name):
    torch.manual_seed(3)
    theirs = getattr(torchvision.models, name)(num_classes=1).state_dict()
    torch.manual_seed(3)
    ours = build_encoder(EncoderSpec(name), 3).state_dict()
    assert {key for key in theirs if not key.startswith("fc.")} == set(ours)
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize(("name", "expansion"), [("resnet18", 1), ("resnet34", 1), ("resnet50", 4)])
def test_every_width_of_a_resnet_follows_from_the_first(name, expansion):
    """Twice the width: twice the channels of every layer and so four times the weights of each but the first."""
    with torch.device("meta"):
        narrow, wide = (build_encoder(EncoderSpec(name, width=width), 3) for width in (24, 48))
    for (layer, one), two in zip(narrow.named_parameters(), wide.parameters(), strict=True):
        factor = 4 if one.ndim == 4 and layer != "conv1.weight" else 2
        assert two.numel() == factor * one.numel(), layer
    assert [getattr(narrow, f"layer{i}")[-1].bn2.num_features for i in (1, 2, 3, 4)] == [24, 48, 96, 192]
    assert feature_count(EncoderSpec(name, width=24), 3) == 192 * expansion


def test_a_stem_of_another_width_begins_as_torchvisions_does():
    """Spread of the first weights: kaiming_normal_ over the fan out, 2 / (7 * 7 * width), as in torchvision."""
    weight = build_encoder(EncoderSpec("resnet18", width=96), 3).conv1.weight
    assert weight.shape == (96, 3, 7, 7)
    assert float(weight.detach().std()) == pytest.approx((2 / (49 * 96)) ** 0.5, rel=0.03)


@pytest.mark.parametrize(
    ("fields", "key", "says"),
    [
        ({"name": "convnet", "width": 32}, "width", "applies to resnet18, resnet34 and resnet50, not to convnet"),
        ({"name": "convnet", "stem": "small"}, "stem", "applies to resnet18, resnet34 and resnet50, not to convnet"),
        ({"name": "resnet50", "width": 0}, "width", "must lie in 1..4096"),
        ({"name": "resnet50", "model": "x"}, "model", "applies to timm, not to resnet50"),
        ({"name": "resnet50", "options": {"a": 1}}, "options", "applies to timm and your own encoders"),
        (
            {"name": "resnet52"},
            "name",
            "is not an encoder; use one of resnet18, .*, timm, towers, or",
        ),
        ({"name": "timm"}, "model", "is missing; name one of timm's architectures"),
        ({"name": "timm", "model": "vit_tiny_patch16_224.augreg_in21k"}, "model", "names pretrained weights"),
        ({"name": "my:net", "options": {"a": {}}}, "options.a", "must be a number, a text"),
    ],
)
def test_what_does_not_apply_to_an_encoder_is_refused(fields, key, says):
    with pytest.raises(SpecError, match=says) as raised:
        EncoderSpec(**fields)
    assert raised.value.key == key


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
