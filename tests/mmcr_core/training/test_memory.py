"""What the estimate of memory counts."""

import dataclasses
import weakref

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mmcr_core.config.defaults import VIEW_RECIPES, run_spec
from mmcr_core.config.run import BudgetSpec, DatasetSpec, EncoderSpec, OptimizerSpec, ProjectorSpec
from mmcr_core.models.encoders import build_network
from mmcr_core.models.recompute import recompute
from mmcr_core.objectives import objective_spec
from mmcr_core.training import Pretraining
from mmcr_core.training.memory import (
    WORKSPACE_BYTES,
    count,
    has_blocks,
    kept_by,
    memory_bytes,
    network_memory,
    objective_memory,
)

MEGABYTE = 1 << 20


class Pooled(nn.Module):
    """3 x 8 x 8 views to 4 x 8 x 8 by a convolution, to 4 x 4 x 4 by a pooling, and to 5."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 5), nn.Sigmoid()
        )

    def forward(self, views):
        return self.layers(views)


def test_what_forward_keeps_is_counted_by_its_kind():
    with torch.device("meta"):
        network, views = Pooled(), torch.empty(1, 3, 8, 8)
    kept = kept_by(lambda: network(views), network)
    assert kept.floating == 4 * (3 * 8 * 8 + 4 * 8 * 8 + 64 + 5)  # read by convolution, pooling, linear; sigmoid's own
    assert kept.other == 8 * 64  # the pooling's indices, int64
    assert kept.in_precision("fp32") == kept.floating + kept.other
    assert kept.in_precision("bf16") == kept.floating // 2 + kept.other


def test_what_autocast_really_keeps_is_what_is_counted_for_bf16():
    """On the CPU, where autocast works: all it keeps but the copies of the weights."""
    network = Pooled()
    kept, weights = {}, {tuple(parameter.shape) for parameter in network.parameters()} | {(64, 5)}  # transposed

    def keep(tensor):
        if tuple(tensor.shape) not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    kept_here = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with kept_here, torch.autocast("cpu", torch.bfloat16):
        network(torch.randn(7, 3, 8, 8))
    really = sum(tensor.numel() * tensor.element_size() for tensor in kept.values())
    with torch.device("meta"):
        meta, views = Pooled(), torch.empty(7, 3, 8, 8)
    assert kept_by(lambda: meta(views), meta).in_precision("bf16") == really


@pytest.mark.parametrize(("objective", "networks"), [("mmcr", 1), ("byol", 2)])
def test_bf16_copies_of_the_weights_are_counted(digits_spec, objective, networks):
    """Beside what the views need, of which bf16 saves half of the floating-point numbers."""
    full = digits_spec(objective=objective_spec(objective))
    half = dataclasses.replace(full, precision="bf16")
    parameters, per_view, _ = network_memory(full.encoder, full.projector, full.D, 1, full.views.size)
    saved = full.P * full.K * (per_view.with_backward("fp32") - per_view.with_backward("bf16"))
    assert memory_bytes(full, 0) - memory_bytes(half, 0) == saved - 2 * networks * parameters


def test_memory_grows_with_the_batch_and_falls_with_bf16(digits_spec):
    stl10 = dataclasses.replace(digits_spec(), dataset=DatasetSpec("stl10"), views=VIEW_RECIPES["stl10"])
    memory = {(P, K): memory_bytes(dataclasses.replace(stl10, P=P, K=K), 105_000) for P in (64, 1024) for K in (2, 8)}
    assert memory[1024, 8] > 4 * memory[64, 8] > memory[64, 2]
    assert memory[64, 2] > 105_000 * 3 * 96 * 96
    assert memory_bytes(digits_spec(P=512), 0) > memory_bytes(digits_spec(P=512, precision="bf16"), 0)


def test_an_ema_teacher_and_a_predictor_are_counted(digits_spec):
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


def test_the_network_and_what_its_optimizer_keeps_are_counted(digits_spec):
    """Beside Adam's weights, gradients and two moments: of SGD one moment less, and with another width all follows."""
    encoder = EncoderSpec("resnet18", "small", width=32)
    adam, sgd, bare = (
        digits_spec(encoder=encoder, optimizer=optimizer)
        for optimizer in (OptimizerSpec(), OptimizerSpec("sgd"), OptimizerSpec("sgd", momentum=0.0))
    )
    parameters = count(build_network(adam))
    assert memory_bytes(adam, 0) - memory_bytes(sgd, 0) == 4 * parameters
    assert memory_bytes(adam, 0) - memory_bytes(bare, 0) == 8 * parameters


class Live(TorchDispatchMode):
    """Bytes of the tensors that are made within, at most alive at once; `known`: those from before."""

    def __init__(self, known):
        super().__init__()
        self.now = self.peak = 0
        self.seen = {tensor.untyped_storage()._cdata for tensor in known}

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        made = function(*arguments, **(named or {}))
        for tensor in tree_leaves(made):
            if (
                isinstance(tensor, torch.Tensor)
                and (place := (store := tensor.untyped_storage())._cdata) not in self.seen
            ):
                self.seen.add(place)
                self.now += store.nbytes()
                self.peak = max(self.peak, self.now)
                weakref.finalize(store, self.free, place, store.nbytes())
        return made

    def free(self, place, size):
        self.seen.discard(place)
        self.now -= size


@pytest.mark.parametrize("recomputed", [False, True])
@pytest.mark.parametrize("stem", ["small", "imagenet"])
def test_what_a_step_takes_on_a_cpu_is_at_most_what_is_estimated(digits_spec, stem, recomputed):
    """Within a third: the estimate has workspaces of a GPU too."""
    size, views = 32 if stem == "small" else 64, 16
    recipe = dataclasses.replace(VIEW_RECIPES["digits"], size=size)
    network = build_network(digits_spec(encoder=EncoderSpec("resnet18", stem, width=16), views=recipe))
    if recomputed:
        recompute(network)
    batch = torch.randn(views, 1, size, size)
    network(batch).sum().backward()
    known = [*network.parameters(), *network.buffers(), *(one.grad for one in network.parameters()), batch]
    with Live(known) as live:
        network(batch).sum().backward()
    _, per_view, _ = network_memory(
        EncoderSpec("resnet18", stem, width=16), ProjectorSpec((32,)), 8, 1, size, recomputed
    )
    assert 0.6 < live.peak / (views * per_view.with_backward("fp32")) < 1


def test_recomputing_needs_less_and_the_paper_s_largest_cell_fits_into_20_gib():
    memory = {}
    for recomputed in (False, True):
        spec = run_spec(DatasetSpec("stl10", split="train+unlabeled"), 1024, 256, 8, BudgetSpec(steps=1))
        small = dataclasses.replace(spec, views=dataclasses.replace(spec.views, size=64))
        memory[recomputed] = memory_bytes(small, 2048, recomputed) / 2**30
    assert memory[True] < 14 < 20 < memory[False]
    assert has_blocks(spec.encoder, 3, 96) and not has_blocks(EncoderSpec("convnet"), 3, 32)


# P, D, K; GiB reserved at most by steps of ResNet-18 in bf16 on an H100, with 2,048 images of 96 pixels
# (results/benchmarks/gpu-cells-nvidia-h100-80gb-hbm3.json)
ON_AN_H100 = [
    (64, 64, 2, 0.559),
    (256, 256, 2, 1.096),
    (1024, 256, 2, 3.359),
    (256, 256, 8, 3.400),
    (64, 256, 8, 1.100),
    (1024, 256, 8, 12.988),
    (1024, 1024, 2, 3.291),
]


@pytest.mark.parametrize(("P", "D", "K", "gib"), ON_AN_H100)
def test_the_paper_s_cells_need_on_an_h100_what_is_estimated(P, D, K, gib):
    spec = run_spec(DatasetSpec("stl10", split="train+unlabeled"), P, D, K, BudgetSpec(steps=1), precision="bf16")
    estimate = memory_bytes(spec, 2048) + WORKSPACE_BYTES
    assert 0.93 < gib * 2**30 / estimate < 1.03
