"""Rows that say otherwise than what they follow from."""

import pytest

from sweeps.monitoring.edited_rows import edited_rows
from sweeps.storage.packing.compaction import compact
from tests.conftest import invoke
from tests.synthetic import write_sweep


@pytest.fixture
def store(tmp_path):
    return write_sweep(tmp_path / "s", sizes=(64, 128), views=(2,), steps=200)


def problems(store, repair=True):
    return [finding.problem for finding in edited_rows(store, repair)]


EDITS = {"percent_error": 0.01, "P": 999, "images": 5, "flops": 1.0, "objective": "simclr", "uniformity": None}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("column", EDITS)
def test_a_row_that_was_edited_is_found_and_written_as_its_steps_and_spec_say(store, column, packed):
    row = store.rows()[1]
    run_id = row["run_id"]
    store.write_run(row | {column: EDITS[column]})
    if packed:
        compact(store)
    (problem,) = problems(store, repair=False)
    assert problem.startswith(f"row of run {run_id} says {column} {EDITS[column]} and not ")
    assert store.read_run(run_id)[column] == EDITS[column]
    assert problems(store) == [problem]
    mended = store.read_run(run_id)
    assert mended[column] == (pytest.approx(row[column]) if isinstance(row[column], float) else row[column])
    assert mended | {column: row[column]} == row
    assert problems(store) == []


def test_the_command_finds_and_mends_one(store):
    row = store.rows()[1]
    store.write_run(row | {"percent_error": 0.25})
    ran = invoke("sweeps.store", "check", store.root)
    assert ran.returncode == 1 and "percent_error 0.25 and not" in ran.stdout
    assert ran.stdout.endswith("4 runs checked, 1 problem\n")
    assert (store.root / "damaged/runs" / f"{row['run_id']}.parquet").exists()
    assert invoke("sweeps.store", "check", store.root).stdout == "4 runs checked, 0 problems\n"
