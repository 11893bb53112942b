"""What is kept of a finished run is read whole, or not at all, whatever version wrote it."""

import io

import pytest
import safetensors.torch
import torch

from mmcr_core.config.run_id import spec_to_json
from sweeps.execution.saved_weights import read_kept
from sweeps.storage.sweep_store import Store
from sweeps.storage.weight_files import KINDS, label_of, labeled
from tests.sweeps.execution.test_backfill import finish


@pytest.fixture
def kept(tmp_path, digits_spec):
    """A run of which all is kept."""
    store = Store(tmp_path)
    return store, finish(digits_spec(), store, keep="all")[0]


def test_damaged_weights_are_as_good_as_absent(kept):
    store, run_id = kept
    path = store.root / "weights" / f"{run_id}.safetensors"
    content = bytearray(path.read_bytes())
    content[-100] ^= 0xFF  # one bit more or less, in a tensor
    path.write_bytes(content)
    assert read_kept(store, run_id) is None


def test_the_network_is_safetensors_and_what_else_a_longer_run_needs_is_beside_it(kept, digits_spec):
    store, run_id = kept
    state = read_kept(store, run_id)
    assert set(state) == {"run_id", "spec", "step", "network", "begun", "run"}
    assert state["run"]["network"] is state["network"] and state["run"]["step"] == state["step"] == 12
    tensors = safetensors.torch.load(store.read_weights(run_id))
    assert tensors.keys() == state["network"].keys()
    rest = torch.load(io.BytesIO(store.read_weights(run_id, ".pt")), weights_only=True)
    assert set(rest["run"]) == {"step", "objective", "teacher", "optimizer", "buffer"}
    (store.root / "weights" / f"{run_id}.pt").write_bytes(b"half")  # the network is whole
    assert set(read_kept(store, run_id)) == {"run_id", "spec", "step", "network"}


def test_weights_of_older_versions_are_read(kept, digits_spec):
    store, run_id = kept
    state = read_kept(store, run_id)
    older = {"run_id": run_id, "spec": spec_to_json(digits_spec()), "step": 12, "network": state["network"]}
    for kind in KINDS:
        (store.root / "weights" / f"{run_id}{kind}").unlink()
    torch.save(older, store.root / "weights" / f"{run_id}.pt")
    assert store.has_weights(run_id) and run_id in store.snapshot().listing.weights
    found = read_kept(store, run_id)
    assert set(found) == set(older) and all(torch.equal(found["network"][k], v) for k, v in state["network"].items())


def test_a_label_is_read_back_and_the_same_content_is_the_same_bytes():
    tensors = {"b": torch.arange(3.0), "a": torch.ones(2, dtype=torch.int64)}
    payload = labeled(safetensors.torch.save(tensors), {"run_id": "x", "step": 3})
    assert payload == labeled(safetensors.torch.save(tensors), {"run_id": "x", "step": 3})
    assert label_of(payload) == {"run_id": "x", "step": 3}
    assert torch.equal(safetensors.torch.load(payload)["b"], tensors["b"])
    for damaged in (b"", b"half", payload[:-1], payload[:40], safetensors.torch.save(tensors)):
        assert label_of(damaged) is None
