"""Measures in the store: which of those that a run asks for are missing, and writing them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from mmcr_core.config.run import RunSpec
from mmcr_core.config.run_id import run_id
from mmcr_core.evaluation.evaluate import Measure, requested_measures
from mmcr_core.training import Pretraining
from sweeps.storage.snapshot import Snapshot
from sweeps.storage.sweep_store import Store


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


def measurable(store: Store | Snapshot, key: str, missing: Iterable[int], steps: int) -> list[int]:
    """After which of the `missing` steps a finished run of `steps` steps can still be measured: untrained, since its
    seed makes that network again, and at its end, where its weights were kept."""
    return [step for step in missing if step == 0 or (step == steps and store.has_weights(key))]


def write_measures(store: Store, run: Pretraining, measures: list[Measure]) -> None:
    """Measures of a run as it stands, each with the digest of what it depends on."""
    done = {"images": run.step * run.spec.P, "flops": float(run.step * run.flops_per_step)}
    asked = requested_measures(run.spec, trained=run.step > 0)
    rows = [done | asdict(one) | {"digest": asked[one.name, one.subject].digest} for one in measures]
    store.write_measures(run_id(run.spec), run.step, rows)
