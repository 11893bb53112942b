"""The weights that are kept of a finished run: written, and read again.

`weights/RUN_ID.safetensors` is the network, its metadata run_id, spec and step. Where all is kept, `weights/RUN_ID.pt`
is torch.save of {run_id, begun, run} beside it: `run` is the state that a longer run continues from, without the
network. Older versions wrote all of it, the network too, into `RUN_ID.pt`.
"""

from __future__ import annotations

import io
from typing import Any

import torch

from mmcr_core.config.run_id import run_id, spec_to_json
from mmcr_core.training import Pretraining
from sweeps.storage.sweep_store import Store
from sweeps.storage.weight_files import REST, label_of, labeled


def keep(store: Store, run: Pretraining, begun: dict[str, Any], what: str) -> None:
    """Keep `weights` or `all` of a finished run; `none` keeps nothing."""
    if what == "none":
        return
    key, state = run_id(run.spec), run.state_dict()
    if what == "all":
        stream = io.BytesIO()
        rest = {name: value for name, value in state.items() if name != "network"}
        torch.save({"run_id": key, "begun": begun, "run": rest}, stream)
        store.write_weights(key, stream.getvalue(), REST)
    about = {"run_id": key, "spec": spec_to_json(run.spec), "step": run.step}
    store.write_weights(key, labeled(tensors_to_bytes(state["network"]), about))


def read_kept(store: Store, key: str) -> dict[str, Any] | None:
    """What was kept of the run called `key`, on the CPU: {run_id, spec, step, network}, and {begun, run} where all was;
    None where nothing was, or where it is damaged. What fails on a device is no damage, so that whoever loads it there
    meets that failure."""
    network, rest = store.read_weights(key), unpickled(store.read_weights(key, REST))
    if network is None:  # or of an older version
        return rest if rest and rest.get("run_id") == key and "network" in rest else None
    about = label_of(network)
    if about is None or about["run_id"] != key:
        return None
    from safetensors.torch import load

    state: dict[str, Any] = {**about, "network": load(network)}
    if rest and rest.get("run_id") == key and "begun" in rest:  # not an older file of the network alone
        state |= {"begun": rest["begun"], "run": rest["run"] | {"network": state["network"]}}
    return state


def tensors_to_bytes(tensors: dict[str, torch.Tensor]) -> bytes:
    """A safetensors file of tensors on any device, which may share memory."""
    from safetensors.torch import save

    return save({name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()})


def unpickled(payload: bytes | None) -> dict[str, Any] | None:
    """What torch.save wrote, on the CPU; None where that is nothing, or damaged."""
    if payload is None:
        return None
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception:  # torch raises of many kinds on damaged bytes: what is damaged is as good as absent
        return None
    return state
