"""The runs of a sweep as an adaptive launch sees them: their rungs, their costs, and where they end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from analysis.fitting.forecast.points import WINDOW, Array, Points, places
from analysis.fitting.forecast.sequential_design import rungs_of
from mmcr_core.config.run import RunSpec
from mmcr_core.config.run_id import run_id
from mmcr_core.data import registry
from mmcr_core.models.networks import rank_bound
from mmcr_core.theory import expected_percent_error
from mmcr_core.training.flops import flops_per_step
from sweeps.execution.run_metadata import where_possible


@dataclass(frozen=True)
class Candidate:
    """A run of `steps` steps, of which the first `settled` are warm-up and its aftermath, with the FLOPs of all of them
    and the shares of them after which it may pause; `variant`: a number, equal where only P, D, K and seed differ;
    `baseline`: percent error of uniform embeddings."""

    spec: RunSpec
    run_id: str
    steps: int
    settled: int
    flops: float
    rungs: tuple[float, ...]
    variant: int
    baseline: float

    @property
    def decays(self) -> bool:
        """Whether its learning rate does: then its errors on the way say little of its last one."""
        return self.spec.optimizer.schedule != "constant"

    def steps_of(self, rung: float) -> int:
        """How many steps a share of them is."""
        return round(rung * self.steps)


def candidates(cells: Sequence[RunSpec]) -> list[Candidate]:
    """The cells of a sweep, in their order."""
    variants: dict[str, int] = {}
    baselines: dict[tuple[object, ...], float] = {}
    found = []
    for cell in cells:
        steps = registry.steps_of(cell)
        settled = 2 * cell.optimizer.warmup_steps(steps)
        images = cell.dataset.kept(registry.count(cell.dataset)[0])
        level = (cell.P, cell.D, images, where_possible(rank_bound, cell) or np.inf)
        if level not in baselines:
            baselines[level] = float(expected_percent_error(*level[:2], N=max(images, cell.P), rank=level[3]))
        variant = variants.setdefault(kind(cell), len(variants))
        rungs = rungs_of(steps, settled, cell.optimizer.schedule != "constant")
        flops = steps * float(flops_per_step(cell))
        found.append(Candidate(cell, run_id(cell), steps, settled, flops, rungs, variant, baselines[level]))
    return found


def ends(runs: Sequence[Candidate], windowed: bool) -> Points:
    """Where runs end, (n,), run i the number i: in the middle of their last steps if the value is a mean over these."""
    window = WINDOW / 2 if windowed else 0.0
    P, D, K = ([getattr(run.spec, name) for run in runs] for name in "PDK")
    steps: Array = np.array([run.steps for run in runs], float) * (1 - window)
    baselines, variants = [run.baseline for run in runs], [run.variant for run in runs]
    return places(P, D, K, steps, baselines, variants, np.arange(len(runs)), 1.0)


def kind(cell: RunSpec) -> str:
    """Equal for runs that differ in P, D, K and seed alone, and in what is measured."""
    parts = asdict(cell)
    return json.dumps(
        {key: part for key, part in parts.items() if key not in ("P", "D", "K", "seed", "evaluate")}, default=str
    )
