"""What stays of a finished run, and what it is good for: backfilled measures, and longer runs that continue it.

`weights/RUN_ID.pt` is torch.save of {run_id, spec, step, network}, with {begun, run} too where all is kept: `run` is
the state that a longer run continues from.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import torch

from mmcr_core.config.run import RunSpec
from mmcr_core.config.run_id import digest, identity, run_id, spec_to_json
from mmcr_core.data.registry import steps_of
from mmcr_core.evaluation.evaluate import Measure, requested_measures
from mmcr_core.training import CHUNK_STEPS, Pretraining
from sweeps.storage.run_status import RunStatus
from sweeps.storage.snapshot import Snapshot
from sweeps.storage.sweep_store import Store


def keep(store: Store, run: Pretraining, begun: dict[str, Any], what: str) -> None:
    """Keep `weights` or `all` of a finished run; `none` keeps nothing."""
    if what == "none":
        return
    key = run_id(run.spec)
    state: dict[str, Any] = {
        "run_id": key,
        "spec": spec_to_json(run.spec),
        "step": run.step,
        "network": run.network.state_dict(),
    }
    if what == "all":
        state |= {"begun": begun, "run": run.state_dict()}
    stream = io.BytesIO()
    torch.save(state, stream)
    store.write_weights(key, stream.getvalue())


def read_kept(store: Store, key: str, device: str = "cpu") -> dict[str, Any] | None:
    """What was kept of the run called `key`; None where nothing was, or where it cannot be read."""
    payload = store.read_weights(key)
    if payload is None:
        return None
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(payload), map_location=device, weights_only=True)
    except Exception:  # torch raises of many kinds on damaged bytes: what is damaged is as good as absent
        return None
    return state if state.get("run_id") == key else None


def missing_measures(store: Store | Snapshot, spec: RunSpec, steps: int) -> dict[int, list[str]]:
    """What a spec asks to be measured of its run of `steps` steps and the store lacks, or has of something else, such
    as other classes: names by the steps taken."""
    missing = {step: missing_at(store, spec, step) for step in spec.evaluate.steps(steps)}
    return {step: names for step, names in missing.items() if names}


def missing_at(store: Store | Snapshot, spec: RunSpec, step: int) -> list[str]:
    """The same after `step` steps."""
    rows = store.read_measures(run_id(spec), step)
    stored = {(row["name"], row["subject"]): (row["count"], row.get("digest")) for row in rows}
    return [
        Measure(name, None, subject=subject).title
        for (name, subject), asked in requested_measures(spec, trained=step > 0).items()
        if (name, subject) not in stored or not asked.met_by(*stored[name, subject])
    ]


def can_be_measured(store: Store | Snapshot, key: str, step: int, steps: int) -> bool:
    """Whether a finished run of `steps` steps can still be measured as it stood after `step`: untrained, since its
    seed makes that network again, and at its end, where its weights were kept."""
    return step == 0 or (step == steps and store.has_weights(key))


def write_measures(store: Store, run: Pretraining, measures: list[Measure]) -> None:
    """Measures of a run as it stands, each with the digest of what it depends on."""
    done = {"images": run.step * run.spec.P, "flops": float(run.step * run.flops_per_step)}
    asked = requested_measures(run.spec, trained=run.step > 0)
    rows = [done | asdict(one) | {"digest": asked[one.name, one.subject].digest} for one in measures]
    store.write_measures(run_id(run.spec), run.step, rows)


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
            store.write_measures(key, measured, [_without_run(row) for row in store.read_measures(earlier, measured)])


def _without_run(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("run_id", "step")}


def _extends(spec: RunSpec) -> bool:
    constant = spec.optimizer.schedule == "constant" and isinstance(spec.optimizer.warmup, int)
    return constant and not spec.objective.follows_progress


def _beginning(spec: RunSpec) -> str:
    return digest({name: value for name, value in identity(spec).items() if name != "budget"})
