"""Exact FLOPs of one training step, counted once on meta tensors: no data, no memory, no arithmetic.

A multiply-add counts as two. Counted: every matrix product and convolution of encoder and projector, forward
and backward, of an EMA teacher's forward, and of objectives, by torch's own counter, and those of the nuclear norm,
which every run measures, by formula. Not counted: element-wise work, batch norm, Cholesky factors, the views, the
optimizer.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from mmcr_core.config.run import EncoderSpec, ObjectiveSpec, ProjectorSpec, RunSpec
from mmcr_core.forbid_rng import ForbidRandom
from mmcr_core.models.dual_encoder import PairNetwork
from mmcr_core.models.networks import example_inputs, network_for_one
from mmcr_core.objectives import build_objective, objective_class
from mmcr_core.objectives.clip import CLIPOptions
from mmcr_core.objectives.mmcr import MMCROptions


def flops_per_step(spec: RunSpec) -> int:
    """FLOPs of one optimizer step on P images with K views each, some of which may be captions."""
    network = (spec.encoder, spec.projector, spec.D, len(spec.views.mean), spec.views.size)
    captions = spec.dataset.captions or 0
    per_image = 0
    for backward in (True, False) if objective_class(spec.objective.name).has_teacher else (True,):
        per_image += network_flops(*network, backward) * spec.image_views
        per_image += caption_flops(*network, backward) * captions
    own = objective_flops(spec.objective, spec.P, spec.K, spec.D, captions)
    return per_image * spec.P + loss_flops(spec.P, spec.D) + own


BATCH = 2  # batch norm refuses one value per channel


@functools.cache
def network_flops(
    encoder: EncoderSpec, projector: ProjectorSpec, dims: int, channels: int, size: int, backward: bool = True
) -> int:
    """FLOPs of forward, and of backward, through encoder and projector for one view."""
    with torch.device("meta"):
        network = network_for_one(encoder, projector, dims, channels, size)
        images, _ = example_inputs(encoder, channels, size, BATCH)
    of_images = network.of_images if isinstance(network, PairNetwork) else network
    return _counted(lambda: of_images(images), backward) // BATCH


@functools.cache
def caption_flops(
    encoder: EncoderSpec, projector: ProjectorSpec, dims: int, channels: int, size: int, backward: bool = True
) -> int:
    """The same through the text encoder for one caption; 0 where there is none."""
    with torch.device("meta"):
        network = network_for_one(encoder, projector, dims, channels, size)
        _, tokens = example_inputs(encoder, channels, size, BATCH)
    if not isinstance(network, PairNetwork) or tokens is None:
        return 0
    return _counted(lambda: network.of_texts(tokens), backward) // BATCH


def _counted(forward: Callable[[], Tensor], backward: bool) -> int:
    _import_compiler()
    with FlopCounterMode(display=False) as counter:
        embeddings = forward()
        if backward:
            embeddings.sum().backward()
    return int(counter.get_total_flops())


@functools.cache
def _import_compiler() -> None:
    """torch's counter imports torch's compiler, which leaves the frames of that moment in a cycle: a run that was being
    made would outlive its end, its memory with it."""
    import torch._dynamo  # noqa: F401

    gc.collect()


@functools.cache
def objective_flops(options: ObjectiveSpec, points: int, views: int, dims: int, captions: int = 0) -> int:
    """FLOPs of value and gradient of an objective's own matrix products; MMCR's is the nuclear norm of `loss_flops`,
    but for what `clip_weight` adds. Raises RandomNumbersDrawn where the loss draws some."""
    if isinstance(options, MMCROptions):
        return objective_flops(CLIPOptions(), points, views, dims, captions) if options.clip_weight else 0
    with torch.device("meta"):
        objective = build_objective(options, dims, captions)
        z = torch.empty(points, views, dims, requires_grad=True)
        teacher = torch.empty(points, views, dims) if objective.has_teacher else None
        progress = torch.zeros(())
    _import_compiler()
    with FlopCounterMode(display=False) as counter, ForbidRandom():
        objective.loss(z, teacher, progress).backward()
    return int(counter.get_total_flops())


def loss_flops(points: int, dims: int) -> int:
    """Matrix products of value and gradient of the nuclear norm through the Gram matrix of the smaller side,
    m = min(P, D): the Gram matrix 2 P D m, its inverse square root from eigenvectors 2 m^3, their product
    with M 2 P D m. The same for every method of `nuclear_norm`, so compute does not depend on the device."""
    m = min(points, dims)
    return 4 * points * dims * m + 2 * m**3
