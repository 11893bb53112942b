"""The EMA teacher of a network: it follows as a moving average, and an objective learns from its embeddings.

Batch norm of the copy uses its own batch's statistics in training, as the network's does; the average is of weights.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


def ema_copy(network: Network) -> Network:
    """A copy that no gradient reaches."""
    return copy.deepcopy(network).requires_grad_(False)


@torch.no_grad()
def ema_update(teacher: nn.Module, network: nn.Module, momentum: Tensor) -> None:
    """teacher <- momentum teacher + (1 - momentum) network, for a scalar on their device; nothing is read back."""
    own: list[Tensor] = list(teacher.parameters())
    followed: list[Tensor] = list(network.parameters())
    torch._foreach_mul_(own, momentum)
    torch._foreach_add_(own, list(torch._foreach_mul(followed, 1 - momentum)))
