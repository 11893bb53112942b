"""Step efficiency of every objective of images with its published defaults: time of the bare encoder step on a ready
batch (of a EMA teacher its forward too) over that of the full step. The target is 0.85.

ResNet-18 at 64 pixels from 96, P = 64, K = 2, D = 128, bf16.
"""

from __future__ import annotations

from mmcr_core.objectives import OBJECTIVES, objective_spec
from tests.benchmarks.measure import DEVICE, report, stl10_cell, stl10_images
from tests.benchmarks.step_efficiency import measured

CELLS = {name: stl10_cell(64, 128, 2, objective=name) for name in OBJECTIVES if not objective_spec(name).needs_captions}


def main() -> None:
    images = stl10_images().to(DEVICE)
    rows = [{"objective": name} | measured(cell, images) for name, cell in CELLS.items()]
    report("objectives", "Bare encoder step over full step, by objective", rows)
