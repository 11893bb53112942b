"""Nuclear norm, value and gradient: time against torch's SVD, and both against float64.

A run replays ours inside its step, where no kernel is launched one by one: `replayed ms` times it so. torch's SVD
cannot be captured.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mmcr_core.nuclear_norm import nuclear_norm
from mmcr_core.training.cuda_graphs import Graphs
from tests.benchmarks.gpu.rows import Row
from tests.benchmarks.gpu.stage import Setting, Tasks
from tests.benchmarks.measure import seconds_in_turn

SHAPES = ((1024, 1024), (64, 64), (256, 256), (512, 512), (128, 128), (1024, 256))
REHEARSED = ((64, 64), (128, 32))


def tasks(setting: Setting) -> Tasks:
    shapes = SHAPES if setting.real else REHEARSED
    return {f"{P} x {D}": lambda P=P, D=D: [measured(setting, P, D)] for P, D in shapes}


def measured(setting: Setting, P: int, D: int) -> Row:
    generator = torch.Generator().manual_seed(0)
    M = torch.nn.functional.normalize(torch.randn(P, D, generator=generator), dim=1)
    here = M.to(setting.device)
    norms = {"torch": torchs, "ours": nuclear_norm}
    calls: dict[str, Callable[[], object]] = {
        name: lambda norm=norm: both(norm, here)  # type: ignore[misc]
        for name, norm in norms.items()
    }
    if setting.real:
        graphs = Graphs(torch.device("cuda", torch.cuda.current_device()))
        graphs.capture("ours", lambda: unused(both(nuclear_norm, here)), warm_up=True)
        calls["replayed"] = lambda: graphs.run("ours", lambda: None, warm_up=0)
    taken = seconds_in_turn(calls, seconds=1.0 if setting.real else 0.2)
    value, gradient = both(lambda X: nuclear_norm(X, "svd"), M.double())
    row: Row = {"P": P, "D": D, **{f"{name} ms": 1e3 * seconds for name, seconds in taken.items()}}
    row["ratio"] = taken["torch"] / taken["ours"]
    for name, norm in norms.items():
        v, g = both(norm, here)
        row[f"{name} value off by"] = float((v.double().cpu() - value).abs() / value)
        row[f"{name} gradient off by"] = float((g.double().cpu() - gradient).norm() / gradient.norm())
    row["holds"] = row["ours value off by"] < 1e-4 and row["ours gradient off by"] < 2e-2
    return row


def unused(result: object) -> None:
    """What is captured keeps no result."""


def both(norm: Callable[[Tensor], Tensor], M: Tensor) -> tuple[Tensor, Tensor]:
    """Value and gradient."""
    X = M.clone().requires_grad_()
    value = norm(X)
    return value.detach(), torch.autograd.grad(value, X)[0]


def torchs(X: Tensor) -> Tensor:
    return torch.linalg.matrix_norm(X, "nuc")
