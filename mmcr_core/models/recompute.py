"""Activation checkpointing (Chen et al. 2016, arXiv 1604.06174): what a residual block or a transformer layer computes
is not kept for backward, but computed again there from what came into it. Gradients are the same, bit for bit on a CPU.

No block draws random numbers, so that no generator's state is kept. The second forward has the parameters of the first,
which may be rounded copies, and copies of the buffers, so that batch norm counts a batch once.
"""

from __future__ import annotations

import contextlib
import functools
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

STAGES = ("layer1", "layer2", "layer3", "layer4", "resblocks", "blocks")  # of ResNets, open_clip's transformers, timm


def blocks(network: nn.Module) -> list[nn.Module]:
    """The residual blocks and layers of a network that can be computed again, in the order of forward; none where it
    has no such parts."""
    stages = [getattr(module, name, None) for module in network.modules() for name in STAGES]
    return [block for stage in stages if isinstance(stage, nn.Sequential | nn.ModuleList) for block in stage]


def recompute(network: nn.Module) -> None:
    """Have the blocks of `network` computed again in backward. Names and values of its parameters stay, and so does
    all that it computes without gradients."""
    for block in blocks(network):
        block.__class__ = _recomputing(type(block))  # type: ignore[arg-type]


@functools.cache
def _recomputing(kind: type[nn.Module]) -> type[nn.Module]:
    """A class, and no wrapper, so that keys of a state dict stay and a copy of a block is one of its own."""

    class Recomputing(kind):  # type: ignore[misc, valid-type]
        def forward(self, *inputs: Any, **named: Any) -> Any:
            plain = super().forward
            if not (self.training and torch.is_grad_enabled()):
                return plain(*inputs, **named)
            how: dict[str, Any] = {"use_reentrant": False, "preserve_rng_state": False}
            if not torch.compiler.is_compiling():  # a compiler sees to the buffers itself
                how["context_fn"] = lambda: (contextlib.nullcontext(), _AsInForward(self))
            return checkpoint(plain, *inputs, **how, **named)

    return Recomputing


class _AsInForward:
    """Within, a module has the parameters that it had when this was made, and copies of its buffers."""

    def __init__(self, module: nn.Module) -> None:
        self._had = [(one, dict(one._parameters)) for one in module.modules()]

    def __enter__(self) -> None:
        self._has = [(one, one._parameters, one._buffers) for one in (module for module, _ in self._had)]
        for module, parameters in self._had:
            copies = {name: _copy(buffer) for name, buffer in module._buffers.items()}
            vars(module).update(_parameters=parameters, _buffers=copies)

    def __exit__(self, *exception: object) -> None:
        for module, parameters, buffers in self._has:
            vars(module).update(_parameters=parameters, _buffers=buffers)


def _copy(buffer: Tensor | None) -> Tensor | None:
    return None if buffer is None else buffer.clone()
