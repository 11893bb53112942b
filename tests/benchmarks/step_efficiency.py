"""Step efficiency: time of the bare encoder step on a ready batch (forward, backward, optimizer) over that of the
full step (random choices, views, forward, loss, backward, optimizer, metrics). 1 is the limit; the target is 0.85.

P = 64, K = 2, views eager and compiled. On a GPU see `make gpu`, which measures the paper's cells.
"""

from __future__ import annotations

import torch

from mmcr_core.training import Pretraining
from mmcr_core.training.cuda_graphs import Graphs
from tests.benchmarks.measure import DEVICE, report, seconds_in_turn, stl10_cell, stl10_images


def main() -> None:
    images = stl10_images().to(DEVICE)
    rows = [
        measured(stl10_cell(64, D, 2, precision), images, compiled=compiled)
        for compiled in (False, True)
        for precision in ("bf16", "fp32")
        for D in ((64, 1024) if not compiled else (64,))
    ]
    report("step_efficiency", "Bare encoder step over full step", rows)


def measured(spec, images, *, device=DEVICE, compiled=False, seconds=6.0):
    """One row: both steps in turn. On a GPU the bare step, too, is replayed as a graph: the ratio is of work."""
    full, bare = Pretraining(spec, device, images, compiled=compiled), Pretraining(spec, device, images)
    views = torch.randn(full.source.batch_shape, device=device).contiguous(memory_format=torch.channels_last)

    def learn():
        bare.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=spec.precision == "bf16"):
            z = bare.network(views)
        bare.teacher_embeddings(views)
        z.float().square().mean().backward()
        bare.optimizer.step()

    graphs = Graphs(torch.device(device)) if device != "cpu" else None

    def bare_step():
        graphs.run("bare", learn, warm_up=3) if graphs is not None else learn()

    for _ in range(8 if graphs is not None else 2):  # past warm-up and capture
        full.train_step()
        bare_step()
    taken = seconds_in_turn({"bare": bare_step, "full": full.train_step}, seconds=seconds)
    return {
        **{name: getattr(spec, name) for name in ("P", "D", "K", "precision")},
        "views": "compiled" if compiled else "eager",
        **{f"{name} ms": 1e3 * duration for name, duration in taken.items()},
        "efficiency": taken["bare"] / taken["full"],
        "views/s": spec.P * spec.K / taken["full"],
    }
