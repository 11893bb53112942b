"""Optimizers whose step can be captured: on a GPU the learning rate is a tensor that a graph reads."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from mmcr_core.config.run import OptimizerSpec
from mmcr_core.training.lars import LARS

ADAM_EPS = 1e-8
COPIES = {"adam": 4, "adamw": 4, "sgd": 3, "lars": 4}  # of the parameters: they, gradients, state, of lars its update


def build_optimizer(spec: OptimizerSpec, parameters: Iterable[nn.Parameter], rate: Tensor) -> torch.optim.Optimizer:
    """The optimizer of `spec`. On a GPU it reads its learning rate from `rate`; elsewhere `set_rate` tells it.

    torch's own are fused: their other forms read a learning rate in a tensor back (SGD), or have no tensor of it.
    """
    kind = rate.device.type
    lr = rate if kind == "cuda" else 0.0
    fused = True if kind in ("cpu", "cuda") else None
    groups = parameter_groups(spec, parameters)
    if spec.name == "lars":
        assert spec.momentum is not None and spec.nesterov is not None and spec.trust_coefficient is not None
        return LARS(groups, lr, spec.momentum, spec.nesterov, spec.trust_coefficient)
    if spec.name == "sgd":
        assert spec.momentum is not None and spec.nesterov is not None
        return torch.optim.SGD(groups, lr, spec.momentum, nesterov=spec.nesterov, fused=fused)
    adam = torch.optim.AdamW if spec.name == "adamw" else torch.optim.Adam
    return adam(groups, lr, eps=spec.eps or ADAM_EPS, fused=fused, capturable=kind == "cuda")


def parameter_groups(spec: OptimizerSpec, parameters: Iterable[nn.Parameter]) -> list[dict[str, Any]]:
    """All parameters with weight decay; where `exclude_bias_and_norm`, those of one dimension at most (biases, and the
    scales and shifts of norms) in a group of their own, without it and not `adapted`."""
    learned = list(parameters)
    flat = [p for p in learned if p.ndim <= 1] if spec.exclude_bias_and_norm else []
    others = [p for p in learned if p.ndim > 1] if spec.exclude_bias_and_norm else learned
    groups: list[dict[str, Any]] = [{"params": others, "weight_decay": spec.weight_decay}]
    groups.append({"params": flat, "weight_decay": 0.0})
    if spec.name == "lars":
        groups[0]["adapted"], groups[1]["adapted"] = True, False
    return [group for group in groups if group["params"]]


def parameter_copies(spec: OptimizerSpec) -> int:
    """How many times the memory of the parameters is needed to train them."""
    return COPIES[spec.name] - (not spec.momentum if spec.name in ("sgd", "lars") else 0)


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
    """Continue from a copy of `optimizer_state`, of a run on any type of device. Loading copies the settings, so a
    learning rate that a graph reads is put back in its place; torch would train on in the tensors that it is given."""
    rates = [group["lr"] for group in optimizer.param_groups]
    optimizer.load_state_dict({**optimizer.state_dict(), "state": copy.deepcopy(state)})
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
