"""Step efficiency: time of the bare encoder step on a ready batch (forward, backward, optimiser) over that of the
full step (views, forward, loss, backward, optimiser, metrics). 1 is the limit; the target is 0.85.

On a GPU, each cell of the paper's grid in bf16; on a CPU, P = 64, K = 2.
"""

from __future__ import annotations

import torch

from mmcr_core.training import Pretraining
from tests.benchmarks.measure import DEVICE, report, seconds_in_turn, stl10_cell, stl10_images

SIZES = (64, 128, 256, 512, 1024)


def main() -> None:
    images = stl10_images().to(DEVICE)
    if DEVICE == "cuda":
        cells = [stl10_cell(P, D, K) for K in (2, 4, 8) for P in SIZES for D in SIZES]
    else:
        cells = [stl10_cell(64, D, 2, precision) for precision in ("bf16", "fp32") for D in (64, 1024)]
    report("step_efficiency", "Bare encoder step over full step", [measured(cell, images) for cell in cells])


def measured(spec, images):
    full, bare = Pretraining(spec, DEVICE, images), Pretraining(spec, DEVICE, images)
    views = torch.randn(spec.P * spec.K, 3, 64, 64, device=DEVICE).contiguous(memory_format=torch.channels_last)

    def bare_step(order=()):
        bare.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(DEVICE, torch.bfloat16, enabled=spec.precision == "bf16"):
            z = bare.network(views)
        z.float().square().mean().backward()
        bare.optimizer.step()

    if DEVICE == "cuda":  # the bare step, too, is replayed as a graph: the ratio is of work, not of launches
        from mmcr_core.training.cuda_graphs import StepGraphs

        bare_step = StepGraphs(bare_step, torch.Generator(DEVICE))
    for _ in range(60 if DEVICE == "cuda" else 2):  # past warm-up and the capture of most orders
        full._train_step()
        bare_step(())
    taken = seconds_in_turn({"bare": lambda: bare_step(()), "full": full._train_step}, seconds=6)
    return {
        **{name: getattr(spec, name) for name in ("P", "D", "K", "precision")},
        **{f"{name} ms": 1e3 * seconds for name, seconds in taken.items()},
        "efficiency": taken["bare"] / taken["full"],
        "views/s": spec.P * spec.K / taken["full"],
    }
