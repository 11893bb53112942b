"""LARS: SGD with momentum, the step of each weight matrix scaled by its norm (You et al. 2017, arXiv 1708.03888).

As in the recipes of SimCLR, BYOL and Barlow Twins (Zbontar et al. 2021, public code, main.py, class LARS): weight decay
joins the gradient before it is scaled, the learning rate is applied after momentum, and biases and the parameters of
norms are neither decayed nor scaled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class LARS(torch.optim.Optimizer):
    """For each parameter w with gradient g: u = g + weight_decay w; where the group is `adapted`, u is multiplied by
    trust_coefficient |w| / |u| (by 1 where either norm is 0); b = momentum b + u, from b = 0; w -= lr b, or with
    `nesterov` lr (u + momentum b).

    Nothing is read back, so that a step can be captured; `lr` is a number or a tensor on the parameters' device.
    """

    def __init__(
        self, params: Any, lr: float | Tensor, momentum: float, nesterov: bool, trust_coefficient: float
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "nesterov": nesterov, "trust_coefficient": trust_coefficient}
        super().__init__(params, {**defaults, "weight_decay": 0.0, "adapted": True})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step from the gradients that there are. A closure is not evaluated again."""
        if closure is not None:
            raise TypeError("LARS takes no closure: compute the gradients before its step")
        for group in self.param_groups:
            if learned := [p for p in group["params"] if p.grad is not None]:
                self._step(group, learned)

    def _step(self, group: dict[str, Any], learned: list[Tensor]) -> None:
        gradients = [p.grad for p in learned if p.grad is not None]
        updates = list(torch._foreach_add(gradients, learned, alpha=group["weight_decay"]))
        if group["adapted"]:
            scales = _scales(torch._foreach_norm(learned), torch._foreach_norm(updates), group["trust_coefficient"])
            torch._foreach_mul_(updates, scales)
        if momentum := group["momentum"]:
            for p in learned:
                if not self.state[p]:
                    self.state[p]["momentum_buffer"] = torch.zeros_like(p)
            buffers = [self.state[p]["momentum_buffer"] for p in learned]
            torch._foreach_mul_(buffers, momentum)
            torch._foreach_add_(buffers, updates)
            updates = list(torch._foreach_add(updates, buffers, alpha=momentum)) if group["nesterov"] else buffers
        torch._foreach_sub_(learned, torch._foreach_mul(updates, group["lr"]))


def _scales(weights: Any, updates: Any, trust_coefficient: float) -> list[Tensor]:
    """trust_coefficient |w| / |u| for each pair of norms, 1 where either is 0; a few kernels for all of them."""
    w, u = torch.stack(list(weights)), torch.stack(list(updates))
    scaled = trust_coefficient * w / torch.where(u > 0, u, 1)
    return list(torch.where((w > 0) & (u > 0), scaled, 1).unbind())
