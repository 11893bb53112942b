"""Runs with a longer budget that continue a finished shorter one."""

from __future__ import annotations

from collections.abc import Iterable

from mmcr_core.config.run import RunSpec
from mmcr_core.config.run_id import digest, identity, run_id
from mmcr_core.data.registry import steps_of
from mmcr_core.training import CHUNK_STEPS
from sweeps.storage.run_status import RunStatus
from sweeps.storage.sweep_store import Store


def runs_to_continue(store: Store, specs: Iterable[RunSpec]) -> dict[str, str]:
    """run_id -> run_id of the longest finished run that begins as it does, of which everything is kept.

    A longer budget begins as the shorter one did where warm-up is in steps, the rate constant, and the objective the
    same from beginning to end.
    """
    wanted = {run_id(spec): (_beginning(spec), steps_of(spec)) for spec in specs if _extends(spec)}
    if not wanted:
        return {}
    from sweeps.config.spec_serialization import spec_from_json  # pydantic reads specs; training does without it

    shorter: dict[str, list[tuple[int, str]]] = {}
    snapshot = store.snapshot()
    for row in snapshot.rows("status", "steps", "spec").values() if snapshot.listing.weights else ():
        kept = row["status"] == RunStatus.FINISHED and snapshot.has_weights(row["run_id"])
        spec = spec_from_json(row["spec"]) if kept else None
        # Where the ids differ, another version of the code made the run.
        if spec and _extends(spec) and run_id(spec) == row["run_id"]:
            shorter.setdefault(_beginning(spec), []).append((row["steps"], row["run_id"]))
    longest = {
        key: max(((done, name) for done, name in shorter.get(beginning, []) if done < steps), default=None)
        for key, (beginning, steps) in wanted.items()
    }
    return {key: found[1] for key, found in longest.items() if found}


def copy_beginning(store: Store, key: str, earlier: str, step: int) -> None:
    """Write the whole chunks among the first `step` steps of an earlier run, and what was measured in them, as those
    of the run called `key`."""
    trajectory = store.read_trajectory(earlier).drop(columns="run_id")
    for first in range(0, step - step % CHUNK_STEPS, CHUNK_STEPS):
        part = trajectory.iloc[first : first + CHUNK_STEPS]
        store.write_chunk(key, first, first + CHUNK_STEPS - 1, {name: part[name].to_numpy() for name in part})
    for measured in store.measured_steps(earlier):
        if measured <= step:
            rows = store.read_measures(earlier, measured)
            store.write_measures(
                key, measured, [{k: row[k] for k in row if k not in ("run_id", "step")} for row in rows]
            )


def _extends(spec: RunSpec) -> bool:
    constant = spec.optimizer.schedule == "constant" and isinstance(spec.optimizer.warmup, int)
    return constant and not spec.objective.follows_progress


def _beginning(spec: RunSpec) -> str:
    return digest({name: value for name, value in identity(spec).items() if name != "budget"})
