"""Committed trajectories come out again, bit for bit: `python -m pytest tests/test_reference_bits.py -m slow`."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis import open_results
from mmcr_core.training import Pretraining
from sweeps.config.spec_serialization import spec_from_json
from sweeps.storage.sweep_store import Store
from tests.conftest import REPOSITORY
from tests.recorded_machine import differences

SWEEP = REPOSITORY / "results/reference/objectives-digits"
# The rows say no more than AMD EPYC; on this one of them the bits have been seen to agree.
PROCESSOR = {"cpu family": "25", "model": "17", "vectors": "AVX512"}
METRICS = ["step", "percent_error", "nuclear_norm", "loss", "reconstruction", "uniformity", "learning_rate"]


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["mmcr", "byol", "swav"])
def test_the_first_chunk_of_a_committed_run_comes_out_again_bit_for_bit(objective):
    """A loss alone, one with an EMA teacher, one with parameters of its own; on one thread, as then."""
    runs = open_results(SWEEP).runs()
    row = runs[(runs["objective"] == objective) & (runs["seed"] == 0)].iloc[0]
    if different := differences(row, PROCESSOR):
        pytest.skip(f"bits are those of another machine: {'; '.join(different)}")
    spec = spec_from_json(row["spec"])
    assert spec is not None
    chunk = next(Pretraining(spec, "cpu").run())
    committed = Store(SWEEP).read_trajectory(row["run_id"])
    again = pd.DataFrame(chunk.columns)[METRICS]
    assert len(again) == 500
    pd.testing.assert_frame_equal(again, committed[METRICS][: len(again)], check_exact=True)
