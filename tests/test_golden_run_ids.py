"""Runs in people's stores keep their names: specs as version 0.1 stored them, with the run ids that they had."""

from __future__ import annotations

import gzip
import json

import pytest

from mmcr_core.config.run_id import canonical_json, run_id, spec_to_json
from sweeps.config.spec_serialization import spec_from_json
from sweeps.storage.sweep_store import Store
from tests.conftest import REPOSITORY

GOLDEN = REPOSITORY / "tests/golden_run_ids.jsonl.gz"
"""A line `{"run_id":…,"spec":…}` for each cell of each shipped grid, and for objectives, optimizers, schedules,
encoders, data sets, views, budgets and the rest, one by one and combined at random. It is not to be written anew."""
REFERENCE = REPOSITORY / "results/reference"


@pytest.fixture(scope="module")
def golden() -> list[tuple[str, str]]:
    """Spec as its text, run id."""
    lines = map(json.loads, gzip.decompress(GOLDEN.read_bytes()).decode().splitlines())
    return [(canonical_json(line["spec"]), line["run_id"]) for line in lines]


def test_every_golden_spec_has_its_run_id_and_is_written_as_it_was_read(golden):
    assert len(golden) > 2000
    for text, golden_id in golden:
        spec = spec_from_json(text)
        assert spec is not None, f"cannot be read: {text}"
        assert run_id(spec) == golden_id, text
        assert spec_to_json(spec) == text


def test_every_committed_run_has_the_id_that_its_spec_says():
    rows = [row for sweep in sorted(REFERENCE.iterdir()) for row in Store(sweep).rows()]
    assert len(rows) > 400
    for row in rows:
        spec = spec_from_json(row["spec"])
        assert spec is not None and run_id(spec) == row["run_id"]
