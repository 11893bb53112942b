"""What the estimate of memory counts."""

import dataclasses

import torch

from mmcr_core.defaults import VIEW_RECIPES
from mmcr_core.images.encoders import build_network
from mmcr_core.objectives import objective_spec
from mmcr_core.spec import DatasetSpec, EncoderSpec, OptimizerSpec
from mmcr_core.training import Pretraining
from mmcr_core.training.memory import count, memory_bytes, objective_memory

MEGABYTE = 1 << 20


def test_memory_grows_with_the_batch_and_is_halved_by_bf16(digits_spec):
    stl10 = dataclasses.replace(digits_spec(), dataset=DatasetSpec("stl10"), views=VIEW_RECIPES["stl10"])
    memory = {(P, K): memory_bytes(dataclasses.replace(stl10, P=P, K=K), 105_000) for P in (64, 1024) for K in (2, 8)}
    assert memory[1024, 8] > 4 * memory[64, 8] > memory[64, 2]
    assert memory[64, 2] > 105_000 * 3 * 96 * 96
    assert memory_bytes(digits_spec(P=512), 0) > memory_bytes(digits_spec(P=512, precision="bf16"), 0)


def test_a_momentum_copy_and_a_predictor_are_counted(digits_spec):
    mmcr, byol = digits_spec(), digits_spec(objective=objective_spec("byol", predictor_hidden=512))
    run = Pretraining(byol, "meta")
    more = memory_bytes(byol, 0) - memory_bytes(mmcr, 0)
    parameters = 4 * (count(run.teacher) + 4 * count(run.objective))
    _, kept = objective_memory(byol.objective, byol.P, byol.K, byol.D)
    assert count(run.objective) == 2 * byol.D * 512 + 512 + byol.D + 2 * 512
    assert parameters < more < parameters + kept + MEGABYTE


def test_a_queue_prototypes_and_what_a_loss_keeps_are_counted():
    (learned, plain), (_, queued) = (
        objective_memory(objective_spec("swav", prototypes=100, queue=q), 32, 2, 16) for q in (0, 1000)
    )
    assert learned == 100 * 16
    assert queued - plain == 1000 * 16 * 4
    assert plain >= 2 * 32 * 100 * 4  # scores of every view
    cosines = 4 * (512 * 2) ** 2
    assert objective_memory(objective_spec("simclr"), 512, 2, 16)[1] >= cosines


def test_nothing_is_allocated(digits_spec):
    before = torch.random.get_rng_state()
    memory_bytes(digits_spec(P=1437, objective=objective_spec("swav", prototypes=10**7)), 0)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_network_and_what_its_optimiser_keeps_are_counted(digits_spec):
    """Beside Adam's weights, gradients and two moments: of SGD one moment less, and with another width all follows."""
    encoder = EncoderSpec("resnet18", "small", width=32)
    adam, sgd, bare = (
        digits_spec(encoder=encoder, optimizer=optimizer)
        for optimizer in (OptimizerSpec(), OptimizerSpec("sgd"), OptimizerSpec("sgd", momentum=0.0))
    )
    parameters = count(build_network(adam))
    assert memory_bytes(adam, 0) - memory_bytes(sgd, 0) == 4 * parameters
    assert memory_bytes(adam, 0) - memory_bytes(bare, 0) == 8 * parameters
