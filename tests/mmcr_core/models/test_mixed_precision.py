"""bf16 with all weights rounded at once: autocast's numbers, in two kernels."""

import copy

import pytest
import torch

from mmcr_core.config.run import EncoderSpec, ProjectorSpec
from mmcr_core.models.encoders import ImageNetwork
from mmcr_core.models.mixed_precision import embed, rounded_weights
from tests.benchmarks.operations import Operations


def network(name="convnet", **options):
    torch.manual_seed(0)
    return ImageNetwork(EncoderSpec(name, **options), ProjectorSpec((32,)), dims=8, channels=3, views=2, size=16)


@pytest.mark.parametrize("encoder", [{"name": "convnet"}, {"name": "resnet18", "stem": "small", "width": 8}], ids=str)
def test_embeddings_gradients_and_counts_are_autocasts_bit_for_bit(encoder):
    ours = network(**encoder)
    autocast = copy.deepcopy(ours)
    views = torch.randn(8, 3, 16, 16)
    z = embed(ours, (views,), "bf16")
    with torch.autocast("cpu", torch.bfloat16):
        expected = autocast(views).float()
    assert torch.equal(z, expected)
    z.square().mean().backward()
    expected.square().mean().backward()
    for (name, mine), theirs in zip(ours.named_parameters(), autocast.parameters(), strict=True):
        assert mine.grad.dtype == torch.float32
        assert torch.equal(mine.grad, theirs.grad), name
    counts = [value for name, value in ours.named_buffers() if name.endswith("num_batches_tracked")]
    assert len(counts) > 3
    assert all(count == 1 for count in counts)


def test_a_network_that_is_measured_counts_no_batch():
    measured = network().eval()
    embed(measured, (torch.randn(8, 3, 16, 16),), "fp32")
    assert all(value == 0 for name, value in measured.named_buffers() if name.endswith("num_batches_tracked"))


def test_all_weights_are_rounded_by_one_operation_each_way():
    ours, views = network(), torch.randn(8, 3, 16, 16)
    with Operations() as counted:
        embed(ours, (views.bfloat16(),), "bf16").sum().backward()
    assert counted.names["_foreach_copy_"] == 2
    assert counted.names["_to_copy"] < 5  # of activations: each of five weights would be one more, each way


def test_encoders_of_others_are_left_to_autocast():
    assert rounded_weights(network("timm", model="resnet18")) == {}
    assert len(rounded_weights(network())) == 5  # three convolutions, two linear layers
