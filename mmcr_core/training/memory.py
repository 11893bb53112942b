"""Device memory of a run, estimated before it runs: counted on meta tensors, with no data and no arithmetic."""

from __future__ import annotations

import functools
from collections.abc import Callable, Set
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mmcr_core.config.run import EncoderSpec, ObjectiveSpec, ProjectorSpec, RunSpec
from mmcr_core.data.registry import dataset
from mmcr_core.models.dual_encoder import PairNetwork
from mmcr_core.models.networks import example_inputs, network_for_one
from mmcr_core.models.recompute import blocks
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


class Recomputed(NamedTuple):
    """What is kept where blocks are computed again in backward: outside of the blocks, and of each block, in the order
    of forward, what comes into it and what its forward keeps within."""

    outside: Kept
    blocks: tuple[tuple[Kept, Kept], ...]

    def with_backward(self, precision: str) -> int:
        """At most alive at once: in the backward of a block, what it keeps beside what came into it and into those
        before, and what backward needs at its own widest place."""
        alive = self.outside.in_precision(precision)
        most = self.outside.with_backward(precision)
        for given, within in self.blocks:
            alive += given.in_precision(precision)
            most = max(most, alive + within.with_backward(precision))
        return most


def memory_bytes(spec: RunSpec, images: int, recomputed: bool = False) -> int:
    """Bytes for `images` of the data set (of shards for those held out and a batch), parameters with gradients and the
    optimizer's state, an EMA teacher, the copies of both in bf16, what one step keeps for backward, the views among
    it, what backward needs beside it, and a view's own working space; `recomputed`: blocks are computed again in
    backward."""
    view = spec.views
    channels = len(view.mean)
    parameters, per_view, per_caption = network_memory(
        spec.encoder, spec.projector, spec.D, channels, view.size, recomputed
    )
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
    encoder: EncoderSpec, projector: ProjectorSpec, dims: int, channels: int, size: int, recomputed: bool = False
) -> tuple[int, Kept | Recomputed, Kept | Recomputed]:
    """Number of parameters, and what is kept for backward of one view and of one caption."""
    batch = 2

    def each(kept: Kept) -> Kept:
        return Kept(*(size // batch for size in kept))

    with torch.device("meta"):
        network = network_for_one(encoder, projector, dims, channels, size)
        images, tokens = example_inputs(encoder, channels, size, batch)

    def kept(forward: Callable[[], Tensor]) -> Kept | Recomputed:
        if not recomputed:
            return each(kept_by(forward, network))
        found = kept_beside_blocks(forward, network)
        return Recomputed(each(found.outside), tuple((each(given), each(within)) for given, within in found.blocks))

    if not isinstance(network, PairNetwork) or tokens is None:
        return count(network), kept(lambda: network(images)), Kept(0, 0, 0)
    return count(network), kept(lambda: network.of_images(images)), kept(lambda: network.of_texts(tokens))


@functools.cache
def has_blocks(encoder: EncoderSpec, channels: int, size: int) -> bool:
    """Whether an encoder has parts that can be computed again in backward. Raises SpecError where it cannot be made."""
    with torch.device("meta"):
        return bool(blocks(network_for_one(encoder, ProjectorSpec(()), 1, channels, size)))


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
    saved, _ = _saved(forward, module, [])
    return _summed(saved[None])


def kept_beside_blocks(forward: Callable[[], Tensor], module: nn.Module) -> Recomputed:
    """The same where the blocks of `module` are computed again in backward."""
    parts = blocks(module)
    saved, inputs = _saved(forward, module, parts)
    known = set(saved[None])
    within = []
    for part in (part for part in parts if part in inputs):
        given = inputs[part]
        within.append((_summed(given, known), _summed(saved[part], set(given))))
        known |= set(given)
    return Recomputed(_summed(saved[None]), tuple(within))


_Tensors = dict[int, tuple[bool, int]]  # place -> whether of floating-point numbers, bytes


def _saved(
    forward: Callable[[], Tensor], module: nn.Module, parts: list[nn.Module]
) -> tuple[dict[nn.Module | None, _Tensors], dict[nn.Module, _Tensors]]:
    """What `forward` keeps for backward within each of `parts` and, under None, outside of them, and what comes into
    each of those that it goes through."""
    own = {_storage(parameter) for parameter in module.parameters()}
    saved: dict[nn.Module | None, _Tensors] = {part: {} for part in (None, *parts)}
    inputs: dict[nn.Module, _Tensors] = {}
    alive: list[Tensor] = []  # places are unique only among tensors that live
    where: list[nn.Module | None] = [None]

    def enter(tensor: Tensor, book: _Tensors) -> None:
        if (place := _storage(tensor)) not in own:
            size = max(book.get(place, (True, 0))[1], tensor.numel() * tensor.element_size())
            book[place] = tensor.is_floating_point(), size
            alive.append(tensor)

    def keep(tensor: Tensor) -> Tensor:
        enter(tensor, saved[where[-1]])
        return tensor

    def begin(part: nn.Module, given: tuple[Any, ...]) -> None:
        where.append(part)
        for tensor in given:
            if isinstance(tensor, Tensor):
                enter(tensor, inputs.setdefault(part, {}))

    def end(part: nn.Module, given: object, made: object) -> None:
        where.pop()

    hooks = [part.register_forward_pre_hook(begin) for part in parts]
    hooks += [part.register_forward_hook(end) for part in parts]
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        forward()
    for hook in hooks:
        hook.remove()
    return saved, inputs


def _summed(tensors: _Tensors, but: Set[int] = frozenset()) -> Kept:
    """What tensors take, those at the places `but` left out."""
    counted = [tensor for place, tensor in tensors.items() if place not in but]
    floating = [size for is_floating, size in counted if is_floating]
    other = sum(size for is_floating, size in counted if not is_floating)
    return Kept(sum(floating), other, max(floating, default=0))


def _width(precision: str) -> int:
    return 2 if precision == "bf16" else 1


def _storage(tensor: Tensor) -> int:
    """What tells storages apart where they hold nothing, as on meta tensors."""
    return int(tensor.untyped_storage()._cdata)
