"""Exact FLOPs of one training step, counted once on meta tensors: no data, no memory, no arithmetic.

A multiply-add counts as two. Counted: every matrix product and convolution of encoder and projector, forward
and backward, of a momentum copy's forward, and of objectives, by torch's own counter, and those of the nuclear norm,
which every run measures, by formula. Not counted: element-wise work, batch norm, Cholesky factors, the views, the
optimiser.
"""

from __future__ import annotations

import functools

import torch
from torch.utils.flop_counter import FlopCounterMode

from mmcr_core.images.encoders import ImageNetwork
from mmcr_core.no_chance import NoChance
from mmcr_core.objectives import build_objective, objective_class
from mmcr_core.spec import EncoderSpec, ObjectiveSpec, ProjectorSpec, RunSpec


def flops_per_step(spec: RunSpec) -> int:
    """FLOPs of one optimiser step on P images with K views each."""
    network = (spec.encoder, spec.projector, spec.D, len(spec.views.mean), spec.views.size)
    per_view = network_flops(*network)
    if objective_class(spec.objective.name).has_teacher:
        per_view += network_flops(*network, backward=False)
    own = objective_flops(spec.objective, spec.P, spec.K, spec.D)
    return per_view * spec.P * spec.K + loss_flops(spec.P, spec.D) + own


@functools.cache
def network_flops(
    encoder: EncoderSpec, projector: ProjectorSpec, dims: int, channels: int, size: int, backward: bool = True
) -> int:
    """FLOPs of forward, and of backward, through encoder and projector for one view."""
    batch = 2  # batch norm refuses one value per channel
    with torch.device("meta"):
        network = ImageNetwork(encoder, projector, dims, channels, size=size)
        images = torch.empty(batch, channels, size, size)
    with FlopCounterMode(display=False) as counter:
        embeddings = network(images)
        if backward:
            embeddings.sum().backward()
    return int(counter.get_total_flops()) // batch


@functools.cache
def objective_flops(options: ObjectiveSpec, points: int, views: int, dims: int) -> int:
    """FLOPs of value and gradient of an objective's own matrix products; MMCR's is the nuclear norm of `loss_flops`.
    Raises RandomNumbersDrawn where the loss draws some."""
    if options.name == "mmcr":
        return 0
    with torch.device("meta"):
        objective = build_objective(options, dims)
        z = torch.empty(points, views, dims, requires_grad=True)
        teacher = torch.empty(points, views, dims) if objective.has_teacher else None
        progress = torch.zeros(())
    with FlopCounterMode(display=False) as counter, NoChance():
        objective.loss(z, teacher, progress).backward()
    return int(counter.get_total_flops())


def loss_flops(points: int, dims: int) -> int:
    """Matrix products of value and gradient of the nuclear norm through the Gram matrix of the smaller side,
    m = min(P, D): the Gram matrix 2 P D m, its inverse square root from eigenvectors 2 m^3, their product
    with M 2 P D m. The same for every method of `nuclear_norm`, so compute does not depend on the device."""
    m = min(points, dims)
    return 4 * points * dims * m + 2 * m**3
