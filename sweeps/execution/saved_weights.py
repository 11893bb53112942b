"""The weights that are kept of a finished run: written, and read again.

`weights/RUN_ID.pt` is torch.save of {run_id, spec, step, network}, with {begun, run} too where all is kept: `run` is
the state that a longer run continues from.
"""

from __future__ import annotations

import io
from typing import Any

import torch

from mmcr_core.config.run_id import run_id, spec_to_json
from mmcr_core.training import Pretraining
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


def read_kept(store: Store, key: str) -> dict[str, Any] | None:
    """What was kept of the run called `key`, on the CPU; None where nothing was, or where it is damaged. What fails on
    a device is no damage, so that whoever loads it there meets that failure."""
    payload = store.read_weights(key)
    if payload is None:
        return None
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception:  # torch raises of many kinds on damaged bytes: what is damaged is as good as absent
        return None
    return state if state.get("run_id") == key else None
