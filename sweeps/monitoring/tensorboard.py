"""TensorBoard files of a run, on request: one scalar per step for each metric of its trajectory."""

from __future__ import annotations

from pathlib import Path

from mmcr_core.training.pretraining import Chunk

SHOWN = ("percent_error", "nuclear_norm", "loss", "reconstruction", "uniformity", "learning_rate")


class Board:
    """Writes chunks of a run to `folder`; steps from `first` on replace what an earlier attempt wrote."""

    def __init__(self, folder: Path, first: int) -> None:
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=first)

    def add(self, chunk: Chunk) -> None:
        """All steps of a chunk, flushed."""
        for name in SHOWN:
            for step, value in zip(chunk.columns["step"], chunk.columns[name], strict=True):
                self._writer.add_scalar(name, float(value), int(step))
        self._writer.flush()

    def close(self) -> None:
        """No more chunks."""
        self._writer.close()
