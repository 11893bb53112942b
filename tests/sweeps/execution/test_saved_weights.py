"""What is kept of a finished run is read whole, or not at all."""

from sweeps.execution.saved_weights import read_kept
from sweeps.storage.sweep_store import Store
from tests.sweeps.execution.test_backfill import finish


def test_damaged_weights_are_as_good_as_absent(tmp_path, digits_spec):
    store = Store(tmp_path)
    run_id, _ = finish(digits_spec(), store)
    path = tmp_path / "weights" / f"{run_id}.pt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content[:-40])
    assert read_kept(store, run_id) is None
