"""Device memory of a run, estimated before it runs: counted on meta tensors, with no data and no arithmetic."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmcr_core.config.run import EncoderSpec, ObjectiveSpec, ProjectorSpec, RunSpec
from mmcr_core.data.registry import dataset
from mmcr_core.models.dual_encoder import PairNetwork
from mmcr_core.models.networks import example_inputs, network_for_one
from mmcr_core.objectives import build_objective, objective_class
from mmcr_core.training.optimizers import parameter_copies

# Workspaces of cuBLAS on Hopper: of its two handles, forward's and backward's, and of cuBLASLt. Measurements have them.
WORKSPACE_BYTES = 3 * 32 << 20
# What backward holds at its widest place, in sizes of the largest tensor that forward keeps: the gradients of what goes
# in and comes out there, and workspaces. Measured on an H100 (ResNet-18 at 64 pixels, 128 to 8,192 views a batch).
BACKWARD = 2.5


class Kept(NamedTuple):
    """Bytes that forward keeps for backward: of floating-point numbers as float32, of all else, such as the int64
    indices of a max pooling, and of the largest tensor of floating-point numbers."""

    floating: int
    other: int
    largest: int

    def in_precision(self, precision: str) -> int:
        """Autocast halves the floating-point numbers alone. It does nothing on meta tensors, so it is counted here."""
        return self.floating // _width(precision) + self.other

    def with_backward(self, precision: str) -> int:
        """At most alive at once, in backward."""
        return self.in_precision(precision) + int(BACKWARD * self.largest) // _width(precision)


def memory_bytes(spec: RunSpec, images: int) -> int:
    """Bytes for `images` of the data set (of shards for those held out and a batch), parameters with gradients and the
    optimizer's state, an EMA teacher, the copies of both in bf16, what one step keeps for backward, the views among
    it, what backward needs beside it, and a view's own working space."""
    view = spec.views
    channels = len(view.mean)
    parameters, per_view, per_caption = network_memory(spec.encoder, spec.projector, spec.D, channels, view.size)
    captions = spec.dataset.captions or 0
    working = 6 * 4 * channels * view.size**2  # float32 copies alive while views are made
    data = dataset(spec.dataset)
    pixels = data.resident(images, spec.P) * channels * (data.side or view.size) ** 2
    copies = parameter_copies(spec.optimizer)
    networks = 1 + objective_class(spec.objective.name).has_teacher
    per_parameter = 4 * (copies + networks - 1) + (2 * networks if spec.precision == "bf16" else 0)
    learned, kept = objective_memory(spec.objective, spec.P, spec.K, spec.D, captions)
    own = 4 * copies * learned + kept
    of_view, of_caption = per_view.with_backward(spec.precision), per_caption.with_backward(spec.precision)
    per_image = spec.image_views * (of_view + working) + captions * of_caption
    return pixels + per_parameter * parameters + own + spec.P * per_image


@functools.cache
def network_memory(
    encoder: EncoderSpec, projector: ProjectorSpec, dims: int, channels: int, size: int
) -> tuple[int, Kept, Kept]:
    """Number of parameters, and what forward keeps for backward of one view and of one caption."""
    batch = 2

    def each(kept: Kept) -> Kept:
        return Kept(*(size // batch for size in kept))

    with torch.device("meta"):
        network = network_for_one(encoder, projector, dims, channels, size)
        images, tokens = example_inputs(encoder, channels, size, batch)
    if not isinstance(network, PairNetwork) or tokens is None:
        return count(network), each(kept_by(lambda: network(images), network)), Kept(0, 0, 0)
    of_views = kept_by(lambda: network.of_images(images), network)
    of_captions = kept_by(lambda: network.of_texts(tokens), network)
    return count(network), each(of_views), each(of_captions)


@functools.cache
def objective_memory(options: ObjectiveSpec, points: int, views: int, dims: int, captions: int = 0) -> tuple[int, int]:
    """An objective's number of parameters, and bytes of its buffers and of what its loss keeps for backward."""
    with torch.device("meta"):
        objective = build_objective(options, dims, captions)
        z = torch.empty(points, views, dims, requires_grad=True)
        teacher = torch.empty(points, views, dims) if objective.has_teacher else None
        progress = torch.zeros(())
    buffers = sum(buffer.numel() * buffer.element_size() for buffer in objective.buffers())
    kept = kept_by(lambda: objective.loss(z, teacher, progress), objective)
    return count(objective), buffers + kept.in_precision("fp32")


def count(module: nn.Module) -> int:
    """Number of parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def kept_by(forward: Callable[[], Tensor], module: nn.Module) -> Kept:
    """What `forward` keeps for backward beside the parameters of `module`, and transposed views of those."""
    own = {_storage(parameter) for parameter in module.parameters()}
    floating: dict[int, int] = {}
    other: dict[int, int] = {}
    alive: list[Tensor] = []  # places are unique only among tensors that live

    def keep(tensor: Tensor) -> Tensor:
        if (place := _storage(tensor)) not in own:
            kept = floating if tensor.is_floating_point() else other
            kept[place] = max(kept.get(place, 0), tensor.numel() * tensor.element_size())
            alive.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        forward()
    return Kept(sum(floating.values()), sum(other.values()), max(floating.values(), default=0))


def _width(precision: str) -> int:
    return 2 if precision == "bf16" else 1


def _storage(tensor: Tensor) -> int:
    """What tells storages apart where they hold nothing, as on meta tensors."""
    return int(tensor.untyped_storage()._cdata)
