"""How each cell of a sweep stands, read from its store alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmcr_core.identity import run_id
from mmcr_core.images.datasets import steps_of
from mmcr_core.spec import RunSpec
from sweeps.grid.grid_file import load_grid
from sweeps.storage.errors import UserError
from sweeps.storage.sweep_store import Store


@dataclass(frozen=True)
class CellStatus:
    """A cell of the grid that was launched last. `status`: finished, failed, diverged, running, begun, waiting;
    `step`: as far as its chunks and checkpoints reach."""

    run_id: str
    spec: RunSpec
    status: str
    step: int
    steps: int
    percent_error: float | None
    error: str | None


def survey(results: str | Path) -> list[CellStatus]:
    """Each cell of the sweep's grid and how it stands. Raises UserError where `results` is no sweep's folder."""
    store = Store(results)
    if not (store.root / "grid.yaml").is_file():
        raise UserError(f"{results} has no grid.yaml; give a sweep's folder, such as results/quickstart")
    return [_cell(store, spec) for spec in load_grid(store.root / "grid.yaml").cells]


def _cell(store: Store, spec: RunSpec) -> CellStatus:
    key = run_id(spec)
    steps = steps_of(spec)
    ended = store.status(key)
    row = store.read_run(key) if ended else {}
    step = max(store.steps_stored(key), store.checkpointed_step(key))
    waiting = "running" if store.claim(key, "").held() else "begun" if step else "waiting"
    status = ended if ended and not (ended != "finished" and waiting == "running") else waiting
    return CellStatus(key, spec, status, step, steps, row.get("percent_error"), row.get("error"))
