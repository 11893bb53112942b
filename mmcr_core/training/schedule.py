"""Learning rate as a pure function of the step."""

from __future__ import annotations

import math

from mmcr_core.config.run import OptimizerSpec


def learning_rate(spec: OptimizerSpec, step: int, steps: int) -> float:
    """Learning rate of optimizer step `step` (from 0) of `steps`: linear warm-up over the first
    `spec.warmup_steps(steps)` steps, then constant, or a half cosine that reaches 0 after the last step."""
    warmup = spec.warmup_steps(steps)
    if step < warmup:
        return spec.learning_rate * (step + 1) / (warmup + 1)
    if spec.schedule == "constant":
        return spec.learning_rate
    return spec.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
