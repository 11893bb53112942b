"""GPU-hours of the paper's whole grid (75 cells, 100 epochs), from the measured step of each cell, one at a time.
Target: 12 on one H200. Without a GPU there is nothing to estimate, and it says so."""

from __future__ import annotations

from pathlib import Path

from mmcr_core.training import Pretraining
from sweeps.grid.grid_file import load_grid
from tests.benchmarks.measure import DEVICE, report, seconds_in_turn, stl10_images

GRID = Path(__file__).parents[2] / "sweeps" / "grids" / "paper-stl10.yaml"


def main() -> None:
    if DEVICE != "cuda":
        print("paper_grid: needs a GPU, left out")
        return
    images, rows = stl10_images().to(DEVICE), []
    for spec in load_grid(GRID).cells:
        run = Pretraining(spec, DEVICE, images)
        for _ in range(60):
            run._train_step()
        step = seconds_in_turn({"step": run._train_step}, seconds=1)["step"]
        hours = step * spec.budget.total_steps(spec.P, 105_000) / 3600
        rows.append({"P": spec.P, "D": spec.D, "K": spec.K, "step ms": 1e3 * step, "hours": hours})
    rows.append({"P": "all", "D": "", "K": "", "step ms": "", "hours": sum(row["hours"] for row in rows)})
    report("paper_grid", "GPU-hours of the paper's grid", rows)
