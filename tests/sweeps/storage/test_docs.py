"""docs/results_store.md has every column of the store's own tables, with its type, in order."""

import re

import pytest

from sweeps.storage.chunks import chunk_name
from sweeps.storage.leases import LEASE_SECONDS, TOUCH_SECONDS
from sweeps.storage.schemas import (
    CELL_SCHEMA,
    DECISION_SCHEMA,
    MEASURE_SCHEMA,
    RUN_SCHEMA,
    SCHEMA_VERSION,
    TRAJECTORY_SCHEMA,
)
from sweeps.storage.sweep_store import Store
from tests.conftest import REPOSITORY
from tests.pages import names, rows_below

PAGE = REPOSITORY / "docs/results_store.md"
TABLES = {
    "runs": RUN_SCHEMA,
    "trajectories": TRAJECTORY_SCHEMA,
    "measures": MEASURE_SCHEMA,
    "cells": CELL_SCHEMA,
    "decisions": DECISION_SCHEMA,
}


@pytest.mark.parametrize("table", TABLES)
def test_every_column_stands_in_the_page_with_its_type(table):
    rows = rows_below(PAGE, f"### {table}")
    said = [(name, kind) for columns, kind, _ in rows for name in names(columns)]
    stored = [(field.name, f"`{field.type}{'?' if field.nullable else ''}`") for field in TABLES[table]]
    assert said == stored
    assert all(meaning for _, _, meaning in rows)


def test_numbers_of_the_rules_are_those_of_the_code():
    text = PAGE.read_text()
    assert f"every {TOUCH_SECONDS:g} seconds" in text and f"after {LEASE_SECONDS:g} seconds" in " ".join(text.split())
    assert chunk_name(0, 499) in text
    assert ["`schema_version`", str(SCHEMA_VERSION)] in [row[::2] for row in rows_below(PAGE, "### runs")]


def test_every_folder_that_is_written_to_is_in_the_layout(tmp_path, monkeypatch):
    layout = re.search(r"```\nresults/NAME/\n(.*?)```", PAGE.read_text(), re.S)[1]
    written = []
    monkeypatch.setattr("sweeps.storage.sweep_store.write_atomically", lambda path, _: written.append(path))
    store = Store(tmp_path)
    store.write_grid("")
    store.write_cells([])
    store.write_log("a", "")
    store.write_weights("a", b"")
    store.write_run({"run_id": "a"} | {field.name: 0 if field.type == "int64" else "" for field in RUN_SCHEMA
                                       if not field.nullable and field.name != "run_id"})  # fmt: skip
    for path in written:
        assert path.relative_to(tmp_path).parts[0] in layout
