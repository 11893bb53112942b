"""How each cell of a sweep stands, read from its store alone: neither the data nor the grid's folder is needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmcr_core.theory import RepresentationCollapse, detect_collapse
from sweeps.cli.errors import UserError
from sweeps.config.axes import Keys, stored_keys
from sweeps.execution.executor_settings import JUDGED_FROM
from sweeps.storage.chunks import chunk_steps
from sweeps.storage.filesystems import read_undamaged
from sweeps.storage.run_status import RunStatus
from sweeps.storage.snapshot import Row, Snapshot
from sweeps.storage.sweep_store import Store


@dataclass(frozen=True)
class CellStatus:
    """A cell of the grid that was launched last, its `keys` as the grid spells them. `step`: as far as its chunks and
    checkpoints reach; `log`: of its failure; `collapse`: of its embeddings, at its end or in the newest
    chunk."""

    run_id: str
    keys: Keys
    status: RunStatus
    step: int
    steps: int
    percent_error: float | None
    error: str | None
    log: Path | None
    collapse: RepresentationCollapse | None


def survey(results: str | Path, snapshot: Snapshot | None = None) -> list[CellStatus]:
    """Each cell of the sweep's grid and how it stands, now or in a snapshot of it. Raises UserError where `results` is
    no sweep's folder."""
    store = Store(results)
    snapshot = snapshot or store.snapshot()
    rows = snapshot.rows("P", "D", "K", "seed", "steps", "status", "error", "percent_error", "uniformity")
    cells = store.read_cells()
    if not cells:  # a sweep of the first months knows the cells that have ended
        cells = list(snapshot.rows().values())
    if not cells:
        raise UserError(f"{results} holds no sweep; give the folder of one that was launched: results/quickstart")
    return [_cell(store, snapshot, cell, rows.get(cell["run_id"])) for cell in cells]


def _cell(store: Store, snapshot: Snapshot, cell: Row, row: Row | None) -> CellStatus:
    key = cell["run_id"]
    ended = RunStatus(row["status"]) if row else None
    step = max(snapshot.steps_stored(key), snapshot.checkpointed_step(key))
    held = key in snapshot.listing.leases and store.lease(key, "").held()
    if ended is RunStatus.FINISHED or (ended and not held):
        status = ended
    else:
        status = RunStatus.RUNNING if held else snapshot.idle_status(key, int(cell["steps"] or 0))
    failed = ended in (RunStatus.FAILED, RunStatus.DIVERGED)
    log = store.log_file(key) if failed and key in snapshot.listing.logs else None
    row = row or {}
    if status is RunStatus.PAUSED and snapshot.checkpointed_step(key) < step:
        row = {"error": "its checkpoint is gone: it would be trained anew"}
    steps, error = int(cell["steps"] or 0), row.get("percent_error")
    chunks = snapshot.listing.chunks.get(key, [])
    spread = row["uniformity"] if ended is RunStatus.FINISHED else _spread(chunks, steps)
    collapse = None if spread is None else detect_collapse(spread, int(cell["P"]), int(cell["D"]))
    return CellStatus(key, stored_keys(cell["spec"]), status, step, steps, error, row.get("error"), log, collapse)


def _spread(chunks: list[Path], steps: int) -> float | None:
    """Mean uniformity of a run's newest chunk; None where there is none, or none that may be judged yet."""
    if not chunks or chunk_steps(chunks[-1])[1] < JUDGED_FROM * steps:
        return None
    table = read_undamaged(chunks[-1])  # None: it has just been merged into a longer one, or is damaged
    return None if table is None else float(np.mean(table["uniformity"].to_numpy()))
