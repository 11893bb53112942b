"""A store of an older version in the form of this one. Every version reads the older ones too: nothing needs it."""

from __future__ import annotations

import contextlib
import io
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from sweeps.execution.saved_weights import read_kept, tensors_to_bytes, unpickled
from sweeps.storage.sweep_store import Store
from sweeps.storage.weight_files import NETWORK, REST, labeled


@dataclass(frozen=True)
class Migrated:
    """How many runs' `weights` were written anew, how many lapsed `claims` were removed, and runs that were `left` as
    they are since a launch trains them or their weights are damaged."""

    weights: int
    claims: int
    left: tuple[str, ...]


def migrate(store: Store, track: Callable[[Sequence[str]], Iterable[str]] = iter) -> Migrated:
    """Networks that version 0.1 pickled become safetensors, each verified before the older file goes; its lapsed claims
    go. Killed at any point it loses nothing, and the next call goes on."""
    folder = store.root / "weights"
    older = sorted(file.stem for file in folder.glob(f"*{REST}")) if folder.is_dir() else []
    claims = sorted(file.stem for file in (store.root / "claims").glob("*.json"))
    written, lapsed, left = 0, 0, []
    for run_id in track(sorted({*older, *claims})):
        with _leased(store, run_id) as free:
            if not free:
                left.append(run_id)
                continue
            lapsed += run_id in claims  # taking the lease has removed it
            before = unpickled(store.read_weights(run_id, REST))
            if before is not None and "network" not in before:  # of today
                continue
            if before is not None and _migrate_weights(store, run_id, before):
                written += 1
            elif run_id in older:
                left.append(run_id)
    with contextlib.suppress(OSError):  # not empty, or not there
        (store.root / "claims").rmdir()
    return Migrated(written, lapsed, tuple(left))


def _migrate_weights(store: Store, run_id: str, before: dict[str, Any]) -> bool:
    """Whether what version 0.1 kept of a run has been written anew, and read again."""
    about = {key: before[key] for key in ("run_id", "spec", "step")}
    store.write_weights(run_id, labeled(tensors_to_bytes(before["network"]), about))
    after = read_kept(store, run_id)
    if after is None or not _equal(before["network"], after["network"]):
        (store.root / "weights" / f"{run_id}{NETWORK}").unlink()
        return False
    if "run" in before:
        stream = io.BytesIO()
        rest = {name: value for name, value in before["run"].items() if name != "network"}
        torch.save({"run_id": run_id, "begun": before["begun"], "run": rest}, stream)
        store.write_weights(run_id, stream.getvalue(), REST)
    else:
        (store.root / "weights" / f"{run_id}{REST}").unlink()
    return True


def _equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[key]) for key, value in one.items())


@contextlib.contextmanager
def _leased(store: Store, run_id: str) -> Iterator[bool]:
    """Whether the run is ours to write within."""
    lease = store.lease(run_id, uuid.uuid4().hex)
    if lease.take() is not None:
        yield False
        return
    try:
        yield True
    finally:
        lease.release()
