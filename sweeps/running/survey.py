"""How each cell of a sweep stands, read from its store alone: neither the data nor the grid's folder is needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps.grid.axes import Keys, stored_keys
from sweeps.storage.errors import UserError
from sweeps.storage.sweep_store import Store


@dataclass(frozen=True)
class CellStatus:
    """A cell of the grid that was launched last, its `keys` as the grid spells them. `status`: finished, failed,
    diverged, running, begun, waiting; `step`: as far as its chunks and checkpoints reach; `log`: of its failure."""

    run_id: str
    keys: Keys
    status: str
    step: int
    steps: int
    percent_error: float | None
    error: str | None
    log: Path | None


def survey(results: str | Path) -> list[CellStatus]:
    """Each cell of the sweep's grid and how it stands. Raises UserError where `results` is no sweep's folder."""
    store = Store(results)
    rows = {row["run_id"]: row for row in store.rows()}
    cells = store.read_cells() or list(rows.values())  # a sweep of the first months knows the cells that have ended
    if not cells:
        raise UserError(f"{results} holds no sweep; give the folder of one that was launched: results/quickstart")
    return [_cell(store, cell, rows.get(cell["run_id"])) for cell in cells]


def _cell(store: Store, cell: dict[str, Any], row: dict[str, Any] | None) -> CellStatus:
    key = cell["run_id"]
    ended = row["status"] if row else None
    step = max(store.steps_stored(key), store.checkpointed_step(key))
    waiting = "running" if store.claim(key, "").held() else "begun" if step else "waiting"
    status = ended if ended and not (ended != "finished" and waiting == "running") else waiting
    log = store.log_file(key) if ended in ("failed", "diverged") and store.log_file(key).exists() else None
    row = row or {}
    steps, error = int(cell["steps"] or 0), row.get("percent_error")
    return CellStatus(key, stored_keys(cell["spec"]), status, step, steps, error, row.get("error"), log)
