"""Weights & Biases: the run's id is the run_id, its group and, unless WANDB_PROJECT says otherwise, project the sweep.

Online, W&B knows how many steps it has. Offline, its own files do: `wandb sync` then sends those of all processes that
had a part in a run, in their order.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmcr_core.config.run_id import spec_to_json
from mmcr_core.training import Chunk
from sweeps.monitoring.trackers.tracker import TrackedRun, final_numbers
from sweeps.monitoring.trackers.wandb_files import steps_in
from sweeps.storage.filesystems import is_local
from sweeps.storage.run_status import RunStatus


class WandbTracker:
    """One W&B run, resumed by its id."""

    def start(self, run: TrackedRun) -> int:
        import wandb

        folder = os.environ.get("WANDB_DIR") or (str(run.root) if is_local(run.root) else None)
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)  # else W&B goes to a temporary one
        self._run = wandb.init(
            id=run.run_id,
            resume="allow",
            reinit="create_new",  # a process trains many cells
            project=os.environ.get("WANDB_PROJECT") or run.sweep,
            group=run.sweep,
            name=run.name,
            dir=folder,
            config=json.loads(spec_to_json(run.spec)),
            settings=wandb.Settings(console="off", silent=True, disable_git=True),
        )
        if self._run.offline:  # W&B adds -1 to the folder of a run that begins twice within a second
            files = Path(folder or ".").glob(f"wandb/offline-run-*-{run.run_id}*/run-{run.run_id}.wandb")
            return max(map(steps_in, files), default=0)
        return int(self._run.starting_step)

    def log(self, chunk: Chunk) -> None:
        for i, step in enumerate(chunk.columns["step"]):
            metrics = {name: float(values[i]) for name, values in chunk.columns.items() if name != "step"}
            self._run.log(metrics, step=int(step), commit=True)

    def finish(self, row: Mapping[str, Any] | None) -> None:
        if row is None:
            self._run.mark_preempting()
            self._run.finish(exit_code=1)  # which W&B shows as preempted
            return
        self._run.summary.update({**final_numbers(row), "status": str(row["status"])})
        self._run.finish(exit_code=0 if row["status"] == RunStatus.FINISHED else 1)
