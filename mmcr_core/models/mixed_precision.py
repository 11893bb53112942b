"""A network in a run's precision: bf16 is autocast's, but for the weights of our own networks.

Autocast rounds each of them by itself, and each gradient back: 44 small kernels per step of a ResNet-18. Here it is one
for all of them each way, with the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.func import functional_call


def embed(
    network: nn.Module, batch: tuple[Tensor, ...], precision: str, forward: Callable[..., Tensor] | None = None
) -> Tensor:
    """(P * K, C, S, S) views, and tokens beside them where there are captions -> (P, K, D) float32 embeddings, the
    network in a run's precision. `forward`: what does the network's work for tensors by name and a batch, if not it."""
    given = rounded_weights(network) if precision == "bf16" else {}
    z = forward(tensors_of(network) | given, batch) if forward else call(network, given, batch, precision)
    if network.training:
        count_batch(network)
    return z


def call(network: nn.Module, given: dict[str, Tensor], batch: tuple[Tensor, ...], precision: str) -> Tensor:
    """The network's float32 output for a batch, with the tensors `given` by name in the place of its own."""
    kind = batch[0].device.type
    with torch.autocast("cpu" if kind == "meta" else kind, torch.bfloat16, enabled=precision == "bf16"):
        z: Tensor = functional_call(network, given, batch) if given else network(*batch)
    return z.float()


def tensors_of(network: nn.Module) -> dict[str, Tensor]:
    """All parameters and buffers by name."""
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def rounded_weights(network: nn.Module) -> dict[str, Tensor]:
    """By name in bf16, differentiable: the weights that autocast would round, of a network that names them in
    `autocast_weights`; of another none."""
    names: tuple[str, ...] = getattr(network, "autocast_weights", ())
    if not names:
        return {}
    copies: tuple[Tensor, ...] = _Rounded.apply(*map(network.get_parameter, names))
    return dict(zip(names, copies, strict=True))


def count_batch(network: nn.Module) -> None:
    """Count a batch in the buffers of the batch norms in `uncounted_norms`, which leave that to their network."""
    if norms := getattr(network, "uncounted_norms", ()):
        torch._foreach_add_([norm.num_batches_tracked for norm in norms], 1)


class _Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, *weights: Tensor) -> tuple[Tensor, ...]:
        return _copies(weights, torch.bfloat16)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Any:
        return _copies(gradients, torch.float32)


def _copies(tensors: tuple[Tensor, ...], dtype: torch.dtype) -> tuple[Tensor, ...]:
    copies = [torch.empty_like(tensor, dtype=dtype) for tensor in tensors]
    torch._foreach_copy_(copies, list(tensors))
    return tuple(copies)
