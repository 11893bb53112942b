"""Optimisers whose step can be captured: on a GPU the learning rate is a tensor that a graph reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from mmcr_core.spec import OptimizerSpec


def build_optimizer(spec: OptimizerSpec, parameters: Iterable[nn.Parameter], rate: Tensor) -> torch.optim.Optimizer:
    """The optimiser of `spec`. On a GPU it reads its learning rate from `rate`; elsewhere `set_rate` tells it."""
    kind = rate.device.type
    return torch.optim.Adam(
        parameters,
        lr=rate if kind == "cuda" else 0.0,
        weight_decay=spec.weight_decay,
        fused=True if kind in ("cpu", "cuda") else None,
        capturable=kind == "cuda",
    )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate where it is a number and not a tensor on the device."""
    for group in optimizer.param_groups:
        if not isinstance(group["lr"], Tensor):
            group["lr"] = rate


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[int, Any]:
    """Moments and step counts by parameter. The settings are left out: they follow from spec and device."""
    state: dict[int, Any] = optimizer.state_dict()["state"]
    return state


def load_optimizer_state(optimizer: torch.optim.Optimizer, state: dict[int, Any]) -> None:
    """Continue from `optimizer_state`, of a run on any type of device. Loading copies the settings, so a learning rate
    that a graph reads is put back in its place."""
    rates = [group["lr"] for group in optimizer.param_groups]
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
