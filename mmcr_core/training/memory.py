"""Device memory of a run, estimated before it runs: counted on meta tensors, with no data and no arithmetic."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from mmcr_core.objectives import build_objective, objective_class
from mmcr_core.pairs.towers import PairNetwork
from mmcr_core.spec import EncoderSpec, ObjectiveSpec, ProjectorSpec, RunSpec
from mmcr_core.training.networks import example_inputs, network_for_one
from mmcr_core.training.optimisers import parameter_copies

SIDE = {"digits": 8, "cifar10": 32, "cifar100": 32, "stl10": 96, "glyphs": 32}
KEPT_OF_SHARDS = 4096  # held-out pairs


def memory_bytes(spec: RunSpec, images: int) -> int:
    """Bytes for `images` of the data set (of shards for those held out and a batch), parameters with gradients and the
    optimiser's state, a momentum copy, what one step keeps for backward, and a view's own working space."""
    view = spec.views
    channels = len(view.mean)
    parameters, per_view, per_caption = network_memory(spec.encoder, spec.projector, spec.D, channels, view.size)
    captions = spec.dataset.captions or 0
    half = 2 if spec.precision == "bf16" else 1
    working = 6 * 4 * channels * view.size**2  # float32 copies alive while views are made
    if spec.dataset.name == "shards":
        images = min(images, KEPT_OF_SHARDS) + spec.P
    data = images * channels * (spec.dataset.size or SIDE.get(spec.dataset.name, view.size)) ** 2
    copies = parameter_copies(spec.optimizer)
    followed = copies + objective_class(spec.objective.name).has_teacher
    learned, kept = objective_memory(spec.objective, spec.P, spec.K, spec.D, captions)
    own = 4 * copies * learned + kept
    per_image = spec.image_views * (per_view // half + working) + captions * (per_caption // half)
    return data + 4 * followed * parameters + own + spec.P * per_image


@functools.cache
def network_memory(
    encoder: EncoderSpec, projector: ProjectorSpec, dims: int, channels: int, size: int
) -> tuple[int, int, int]:
    """Number of parameters, and float32 bytes that forward keeps for backward for one view and for one caption."""
    batch = 2
    with torch.device("meta"):
        network = network_for_one(encoder, projector, dims, channels, size)
        images, tokens = example_inputs(encoder, channels, size, batch)
    if not isinstance(network, PairNetwork) or tokens is None:
        return count(network), kept_bytes(lambda: network(images), network) // batch, 0
    of_views = kept_bytes(lambda: network.of_images(images), network)
    of_captions = kept_bytes(lambda: network.of_texts(tokens), network)
    return count(network), of_views // batch, of_captions // batch


@functools.cache
def objective_memory(options: ObjectiveSpec, points: int, views: int, dims: int, captions: int = 0) -> tuple[int, int]:
    """An objective's number of parameters, and bytes of its buffers and of what its loss keeps for backward."""
    with torch.device("meta"):
        objective = build_objective(options, dims, captions)
        z = torch.empty(points, views, dims, requires_grad=True)
        teacher = torch.empty(points, views, dims) if objective.has_teacher else None
        progress = torch.zeros(())
    buffers = sum(buffer.numel() * buffer.element_size() for buffer in objective.buffers())
    return count(objective), buffers + kept_bytes(lambda: objective.loss(z, teacher, progress), objective)


def count(module: nn.Module) -> int:
    """Number of parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def kept_bytes(forward: Callable[[], Tensor], module: nn.Module) -> int:
    """Bytes that `forward` keeps for backward beside the parameters of `module`, and transposed views of those."""
    own = {_storage(parameter) for parameter in module.parameters()}
    kept: dict[int, int] = {}
    alive: list[Tensor] = []  # places are unique only among tensors that live

    def keep(tensor: Tensor) -> Tensor:
        if (place := _storage(tensor)) not in own:
            kept[place] = max(kept.get(place, 0), tensor.numel() * tensor.element_size())
            alive.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        forward()
    return sum(kept.values())


def _storage(tensor: Tensor) -> int:
    """What tells storages apart where they hold nothing, as on meta tensors."""
    return int(tensor.untyped_storage()._cdata)
