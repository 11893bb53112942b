"""How a run starts: from its newest whole checkpoint, from the end of a shorter run, or anew; and its checkpoints.

A checkpoint is torch.save of {run_id, begun, run}.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import torch

from mmcr_core.augmentation.compiled_augmentations import CompilationFailed
from mmcr_core.config.run import RunSpec
from mmcr_core.config.run_id import run_id
from mmcr_core.training import CHUNK_STEPS, Pretraining
from sweeps.execution.continuation import copy_beginning
from sweeps.execution.executor_settings import ExecutorSettings
from sweeps.execution.saved_weights import read_kept
from sweeps.storage.sweep_store import Store

NO_GRAPHS = "no-graphs.txt"  # in a run's checkpoint folder: why it goes on without CUDA graphs
Note = Callable[[str], None]  # tells whoever watches


@dataclass
class RunStart:
    """When and how a run began: what its floating-point sums depend on stays the same where it is resumed."""

    started_at: str
    device: str
    threads: int
    compiled: bool
    trained_seconds: float = 0.0
    network_compiled: bool = False
    notes: list[str] = field(default_factory=list)  # for its row: what could not stay the same, what it continues

    def images_per_second(self, images: int) -> float:
        """Of a run that has trained on `images` so far; 0 before it has."""
        return images / self.trained_seconds if self.trained_seconds else 0.0

    @staticmethod
    def now(settings: ExecutorSettings) -> RunStart:
        """Of a run that begins with these settings."""
        started_at = datetime.now(UTC).isoformat()
        how = settings.device, settings.threads, settings.compiled
        return RunStart(started_at, *how, network_compiled=settings.network_compiled)


def write_checkpoint(store: Store, run: Pretraining, begun: RunStart, *, alone: bool = False) -> None:
    """Keep where a run stands, and where it stood before unless `alone`."""
    key, stream = run_id(run.spec), io.BytesIO()
    torch.save({"run_id": key, "begun": vars(begun), "run": run.state_dict()}, stream)
    store.write_checkpoint(key, run.step, stream.getvalue(), alone=alone)


def state_to_start_from(store: Store, key: str, settings: ExecutorSettings, note: Note) -> dict[str, Any] | None:
    """A checkpoint of the run called `key`, or the end of the run that it continues; None where it begins anew, without
    what the store had of its trajectory."""
    state = _newest_state(store, key, settings.device, note)
    if state is None and settings.continues is not None:
        state = _state_to_continue(store, key, settings.continues, note)
    if state is None:
        store.drop_trajectory(key)
    return state


def start(
    spec: RunSpec,
    store: Store,
    settings: ExecutorSettings,
    state: dict[str, Any] | None,
    begun: RunStart,
    remember: Note,
) -> Pretraining:
    """The run as `state` says, or untrained. It keeps the threads and the compilation that it began with, where that
    is possible; `begun` says what it has."""
    no_graphs = store.read_note(run_id(spec), NO_GRAPHS)
    if no_graphs:
        remember(f"{no_graphs}; it runs eagerly")
    device, recomputed = settings.device, settings.recomputed
    how: dict[str, Any] = {"graphs": not no_graphs, "threads": begun.threads, "recomputed": recomputed}
    try:
        run = Pretraining(spec, device, **how, compiled=begun.compiled, network_compiled=begun.network_compiled)
    except CompilationFailed as error:
        what = "views and network are" if begun.network_compiled else "the views are"
        remember(f"{what} not compiled: {error}")
        begun.compiled = begun.network_compiled = False
        run = Pretraining(spec, device, **how)
    if state is not None:
        run.load_state_dict(state["run"])
    before, here = begun.device.split(":")[0], device.split(":")[0]
    if before != here:
        remember(f"begun on {before}, gone on on {here}")
    return run


def _newest_state(store: Store, key: str, device: str, note: Note) -> dict[str, Any] | None:
    """The newest checkpoint that is whole and this run's; each one passed over is noted."""
    for name, payload in store.read_checkpoints(key):
        if payload is None:
            note(f"checkpoint {name} of run {key} is damaged and was passed over")
            continue
        state: dict[str, Any] = torch.load(io.BytesIO(payload), map_location=device, weights_only=True)
        if state["run_id"] != key:
            note(f"checkpoint {name} of run {key} is another run's and was passed over")
            continue
        step = state["run"]["step"]
        if store.steps_stored(key) >= step - step % CHUNK_STEPS:
            return state
        note(f"checkpoint {name} of run {key} goes on after steps that are missing")
    return None


def _state_to_continue(store: Store, key: str, earlier: str, note: Note) -> dict[str, Any] | None:
    """What was kept of the shorter run, with its trajectory written as the beginning of this one's."""
    state = read_kept(store, earlier)
    if state is None or "run" not in state:
        note(f"starts anew: what was kept of {earlier} cannot be read")
        return None
    store.drop_trajectory(key)
    copy_beginning(store, key, earlier, state["step"])
    state["begun"]["notes"] = [*state["begun"]["notes"], f"continues run {earlier} from step {state['step']}"]
    note(f"continues a shorter run from step {state['step']}")
    return state
