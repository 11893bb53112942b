"""Peak memory of a run, with and without its first steps.

On a GPU the first steps take more than any later one: cuDNN tries algorithms in workspaces of its own before it keeps
one for each shape. It does with less where there is less, so that plans pack cells by what the later steps take.
"""

from __future__ import annotations

import resource
import sys

import torch

from mmcr_core.training.pretraining import WARM_UP_STEPS

FIRST_STEPS = WARM_UP_STEPS + 1  # the last of them is captured, where the step is


class PeakMemory:
    """Peaks of one run in this process on a device. `begin` before it, `first_steps_end` after FIRST_STEPS of it."""

    def __init__(self, device: str) -> None:
        self._device, self._on_gpu = device, device.startswith("cuda")
        self._first: int | None = None

    @property
    def on_gpu(self) -> bool:
        """Whether the first steps differ from the others."""
        return self._on_gpu

    def begin(self) -> None:
        """What earlier cells of this process reserved is not this one's."""
        self._first = None
        self._restart()

    def first_steps_end(self) -> None:
        """Give back what only the first steps needed, and look at the others from here."""
        if self._on_gpu:
            self._first = peak_memory_bytes(self._device)
            self._restart()

    @property
    def peak_bytes(self) -> int:
        """Of the whole run; on a CPU of the process, earlier cells included."""
        return max(self._first or 0, peak_memory_bytes(self._device))

    @property
    def steady_bytes(self) -> int | None:
        """Of what followed the first steps; None on a CPU and where nothing did."""
        return None if self._first is None else peak_memory_bytes(self._device)

    def _restart(self) -> None:
        if self._on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self._device)


def peak_memory_bytes(device: str) -> int:
    """Peak of what was reserved on the GPU, which the pools of CUDA graphs are part of (`max_memory_allocated` does
    not see them); on a CPU, peak resident memory of this process so far."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_reserved(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
