"""FLOPs against torch's counter on a real step, and against the paper's orders of magnitude."""

import dataclasses

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mmcr_core.config.run import EncoderSpec, ProjectorSpec
from mmcr_core.models.encoders import ImageNetwork
from mmcr_core.objectives import objective_spec
from mmcr_core.training.flops import flops_per_step, loss_flops, network_flops, objective_flops


@pytest.mark.parametrize(
    ("encoder", "size", "channels"),
    [
        (EncoderSpec("convnet"), 8, 1),
        (EncoderSpec("resnet18", "imagenet"), 64, 3),
        (EncoderSpec("resnet18", "small", width=20), 32, 3),
        (EncoderSpec("resnet50", width=8), 32, 1),
    ],
)
def test_network_flops_equal_a_counted_forward_and_backward(encoder, size, channels):
    network = ImageNetwork(encoder, ProjectorSpec((32,)), 16, channels)
    with FlopCounterMode(display=False) as counter:
        network(torch.rand(6, channels, size, size)).sum().backward()
    assert network_flops(encoder, ProjectorSpec((32,)), 16, channels, size) * 6 == counter.get_total_flops()


def test_resnet18_at_64_pixels_needs_three_times_its_forward_but_for_the_images_gradient():
    network = ImageNetwork(EncoderSpec(), ProjectorSpec((512,)), 128, 3)
    with FlopCounterMode(display=False) as forward:
        network(torch.rand(2, 3, 64, 64))
    first_layer = 2 * 64 * 3 * 7 * 7 * 32 * 32
    expected = 3 * forward.get_total_flops() // 2 - first_layer
    assert network_flops(EncoderSpec(), ProjectorSpec((512,)), 128, 3, 64) == expected
    assert expected == pytest.approx(0.87e9, rel=0.01)


def test_the_loss_counts_its_matrix_products():
    M = torch.randn(20, 12)
    with FlopCounterMode(display=False) as counter:
        gram = M.T @ M
        M @ (gram @ gram)
    assert loss_flops(20, 12) == counter.get_total_flops() == loss_flops(12, 20)


def test_a_step_is_views_times_the_network_and_one_loss(digits_spec):
    spec = digits_spec()
    more = dataclasses.replace(spec, K=3 * spec.K)
    loss = loss_flops(spec.P, spec.D)
    assert flops_per_step(more) - loss == 3 * (flops_per_step(spec) - loss)


def test_objectives_count_their_own_products_beside_the_nuclear_norm_that_every_run_measures(digits_spec):
    P, K, D = 20, 2, 12
    assert objective_flops(objective_spec("mmcr"), P, K, D) == 0
    assert objective_flops(objective_spec("alignment"), P, K, D) == 0  # sums and products of elements
    assert objective_flops(objective_spec("barlow_twins"), P, K, D) == 6 * P * D**2
    assert objective_flops(objective_spec("vicreg"), P, K, D) == 2 * 6 * P * D**2
    spec = dataclasses.replace(digits_spec(), objective=objective_spec("barlow_twins"))
    assert flops_per_step(spec) - flops_per_step(digits_spec()) == 6 * spec.P * spec.D**2


def test_an_ema_teacher_counts_its_forward_and_a_predictor_its_products(digits_spec):
    mmcr, byol = digits_spec(), digits_spec(objective=objective_spec("byol", predictor_hidden=64))
    network = (mmcr.encoder, mmcr.projector, mmcr.D, 1, mmcr.views.size)
    forward, views = network_flops(*network, backward=False), mmcr.P * mmcr.K
    with FlopCounterMode(display=False) as counter:
        ImageNetwork(mmcr.encoder, mmcr.projector, mmcr.D, 1)(torch.rand(4, 1, mmcr.views.size, mmcr.views.size))
    assert forward * 4 == counter.get_total_flops()
    predictor = 3 * 2 * (2 * mmcr.D * 64) * views  # two layers, forward and both gradients
    cosines = 2 * 2 * mmcr.P * mmcr.K**2 * mmcr.D  # the teacher has no gradient
    assert flops_per_step(byol) - flops_per_step(mmcr) == forward * views + predictor + cosines


def test_prototypes_and_queue_count():
    P, K, D, J = 20, 2, 12, 30
    scores, cross_entropies = 3 * 2 * P * K * D * J, 2 * 2 * P * K * K * J
    assert objective_flops(objective_spec("swav", prototypes=J), P, K, D) == scores + cross_entropies
    queued = objective_flops(objective_spec("swav", prototypes=J, queue=50), P, K, D)
    assert queued == scores + cross_entropies + 2 * 50 * D * J
