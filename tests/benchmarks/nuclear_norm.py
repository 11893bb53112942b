"""Value and gradient of the nuclear norm against torch.linalg.matrix_norm(M, "nuc").

Targets at P, D of 512 and more: CPU 2 times; GPU 20 times at 1024 x 1024.
"""

from __future__ import annotations

import torch

from mmcr_core.nuclear_norm import nuclear_norm
from tests.benchmarks.measure import DEVICE, report, seconds_in_turn

SIZES = (64, 256, 512, 1024)


def main() -> None:
    rows = []
    for P in SIZES:
        for D in SIZES:
            generator = torch.Generator().manual_seed(0)
            M = torch.nn.functional.normalize(torch.randn(P, D, generator=generator), dim=1).to(DEVICE)

            def value_and_gradient(norm, M=M):
                X = M.clone().requires_grad_()
                norm(X).backward()

            taken = seconds_in_turn(
                {
                    "torch": lambda f=value_and_gradient: f(lambda X: torch.linalg.matrix_norm(X, "nuc")),
                    "ours": lambda f=value_and_gradient: f(nuclear_norm),
                }
            )
            row = {f"{name} ms": 1e3 * seconds for name, seconds in taken.items()}
            rows.append({"P": P, "D": D, **row, "ratio": taken["torch"] / taken["ours"]})
    report("nuclear_norm", "Nuclear norm, value and gradient", rows)
