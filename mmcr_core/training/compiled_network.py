"""Encoder and projector, compiled: batch norm, ReLU and the residual sum in one pass over memory each.

What is compiled is a function of tensors by name: it is kept for the next run of the same shape in this process.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable

import torch
from torch import Tensor, nn

from mmcr_core.augmentation.compiled_augmentations import attempt, compiled
from mmcr_core.config.run import RunSpec
from mmcr_core.models import mixed_precision
from mmcr_core.models.mixed_precision import embed
from mmcr_core.models.recompute import blocks

Forward = Callable[[dict[str, Tensor], tuple[Tensor, ...]], Tensor]
_KEPT: dict[Hashable, Forward] = {}


def compiled_network(network: nn.Module, spec: RunSpec, batch: tuple[Tensor, ...], has_teacher: bool) -> Forward:
    """What `embed` takes as `forward`, compiled here and now for batches like `batch`; it changes nothing in `network`.

    Raises: CompilationFailed, with the reason.
    """
    shape = tuple((tensor.shape, tensor.dtype, tensor.device) for tensor in batch)
    parts = spec.encoder, spec.projector, spec.D, spec.K, spec.dataset.captions, spec.precision
    key = parts, shape, has_teacher, torch.get_num_threads(), tuple(type(one) for one in blocks(network))
    if key not in _KEPT:
        skeleton, precision = copy.deepcopy(network).to("meta"), spec.precision

        def forward(tensors: dict[str, Tensor], batch: tuple[Tensor, ...]) -> Tensor:
            return mixed_precision.call(skeleton, tensors, batch, precision)

        made = compiled(forward)
        attempt(lambda: _try(made, copy.deepcopy(network), batch, precision, has_teacher))
        _KEPT[key] = made
    return _KEPT[key]


def _try(forward: Forward, network: nn.Module, batch: tuple[Tensor, ...], precision: str, has_teacher: bool) -> None:
    """One step's work with it, so that all of it is compiled: forward and backward, and forward alone for a teacher."""
    embed(network, batch, precision, forward).sum().backward()
    if has_teacher:
        with torch.no_grad():
            embed(network.requires_grad_(False), batch, precision, forward)
