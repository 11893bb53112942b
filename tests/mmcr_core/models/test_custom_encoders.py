"""Encoders that this project does not know: a user's own, and timm's."""

import dataclasses
import sys

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mmcr_core import custom_imports
from mmcr_core.config.run import EncoderSpec, ProjectorSpec, SpecError
from mmcr_core.data import torchvision_import  # noqa: F401  # before timm, which imports torchvision
from mmcr_core.models.custom_encoders import timm_encoder, with_defaults
from mmcr_core.models.encoders import ImageNetwork, build_encoder, build_network, feature_count, rank_bound
from mmcr_core.training.flops import network_flops
from tests.custom_components import write_own


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module with encoders, by name."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.setattr(custom_imports, "_FOLDERS", [])
    return write_own(tmp_path)


def test_an_own_encoder_is_a_network_of_the_size_it_says(own, digits_spec):
    encoder = EncoderSpec(f"{own}:net", options={"width": 6})
    spec = digits_spec(encoder=encoder, projector=ProjectorSpec(()))
    assert feature_count(encoder, 1, 8) == rank_bound(spec) == 24
    network = build_network(spec)
    assert network.encoder[0].out_channels == 6
    assert network(torch.rand(4, 1, 8, 8)).shape == (2, 2, 8)
    with FlopCounterMode(display=False) as counter:
        network(torch.rand(6, 1, 8, 8)).sum().backward()
    assert network_flops(encoder, spec.projector, spec.D, 1, 8) * 6 == counter.get_total_flops()


def test_its_weights_follow_from_the_seed_whether_or_not_its_features_were_counted_before(own, digits_spec):
    spec = digits_spec(encoder=EncoderSpec(f"{own}:net"))
    networks = [build_network(spec).state_dict() for _ in range(2)]
    assert all(torch.equal(networks[0][key], networks[1][key]) for key in networks[0])


def test_its_defaults_and_source_are_written_down(own):
    filled = with_defaults(EncoderSpec(f"{own}:net"))
    assert filled.options == {"width": 4}  # what is no plain value, such as its activation, the source says
    assert filled.source == custom_imports.source_digest(f"{own}:net")
    assert filled == with_defaults(EncoderSpec(f"{own}:net", options={"width": 4}))


@pytest.mark.parametrize(
    ("factory", "options", "key", "says"),
    [
        ("net", {"widht": 3}, "options.widht", "is no option of '.*:net'; did you mean width"),
        ("net", {"width": 0.5}, "name", "cannot be made: ValueError: out_channels"),
        ("number", {}, "name", r"7 is no function factory\(channels, size, ...\)"),
        ("nothing", {}, "name", "returns NoneType; it must return a torch.nn.Module"),
        ("flat", {}, "name", r"gives shape \(2, 3, 6, 6\) for two images; it must map \(B, 1, 8, 8\) images to"),
        ("dropping", {}, "name", r"draws random numbers in 1 \(Dropout, 0.1\), which no resumed run could repeat"),
    ],
)
def test_each_mistake_of_an_own_encoder_is_one_sentence(own, factory, options, key, says):
    with pytest.raises(SpecError, match=says) as raised:
        feature_count(EncoderSpec(f"{own}:{factory}", options=options), 1, 8)
    assert raised.value.key == key


def test_a_dropout_that_drops_nothing_is_taken(own):
    assert feature_count(EncoderSpec(f"{own}:dropping", options={"rate": 0.0}), 1, 8) == 5


def vit(**options):
    return EncoderSpec("timm", model="vit_tiny_patch16_224", options=options)


def test_a_timm_encoder_takes_the_size_and_channels_of_the_views():
    pytest.importorskip("timm")
    network = ImageNetwork(vit(depth=1), ProjectorSpec((16,)), 8, 1, views=2, size=32)
    assert network(torch.rand(4, 1, 32, 32)).shape == (2, 2, 8)
    assert feature_count(vit(depth=1), 1, 32) == 192


def test_a_timm_encoder_that_takes_any_size_gives_what_its_forward_gives():
    """Of this one timm's own num_features, 288, is not the number of features that it gives."""
    pytest.importorskip("timm")
    encoder = EncoderSpec("timm", model="mobilenetv3_small_050")
    assert feature_count(encoder, 3, 32) == 1024
    assert build_encoder(encoder, 3, 32).eval()(torch.rand(2, 3, 32, 32)).shape == (2, 1024)


def test_flops_of_attention_are_counted():
    """Of a transformer of one block on 4 patches and a class token, a multiply-add counting as two; the images need no
    gradient, and backward of each other product costs twice its forward."""
    pytest.importorskip("timm")
    tokens, width, patches = 5, 192, 4
    patch = 2 * patches * width * 3 * 16 * 16
    block = 2 * tokens * width * (3 * width + width + 4 * width + 4 * width) + 2 * 2 * tokens * tokens * width
    head = 2 * width * 8
    assert network_flops(vit(depth=1), ProjectorSpec(()), 8, 3, 32) == 2 * patch + 3 * (block + head)


@pytest.mark.parametrize(
    ("encoder", "key", "says"),
    [
        (vit(num_classes=3), "options.num_classes", "follows from the run; leave it out"),
        (vit(dpeth=1), "name", "cannot be made: TypeError: .*dpeth"),
        (vit(drop_path_rate=0.1), "name", "draws random numbers in blocks.*DropPath.*set its rate to 0"),
        (EncoderSpec("timm", model="vit_tiny_patch16_223"), "model", "is not an architecture of timm .*; did you mean"),
        (EncoderSpec("timm", model="qqqqqq"), "model", r"see timm.list_models\(\)"),
    ],
)
def test_each_mistake_about_timm_is_one_sentence(encoder, key, says):
    pytest.importorskip("timm")
    with pytest.raises(SpecError, match=says) as raised:
        feature_count(encoder, 3, 32)
    assert raised.value.key == key
    assert "\n" not in str(raised.value)


def test_where_timm_is_absent_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(SpecError, match=r"needs timm; install it: pip install 'mmcr-sweeps\[timm\]'"):
        feature_count(dataclasses.replace(vit(), model="vit_small_patch16_224"), 3, 32)


def test_patches_that_leave_out_a_part_of_a_view_are_refused():
    pytest.importorskip("timm")
    vit = EncoderSpec("timm", model="vit_tiny_patch16_224", options={"depth": 1})
    assert timm_encoder(vit, 3, 32) is not None
    with pytest.raises(SpecError, match=r"has patches of 16 pixels, which don't divide views of 40; change views.size"):
        timm_encoder(vit, 3, 40)
