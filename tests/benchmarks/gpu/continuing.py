"""A command that goes on where an earlier one ended: what went well there is kept, all else is done again."""

from __future__ import annotations

import tarfile
from pathlib import Path

from tests.benchmarks.gpu import rows
from tests.benchmarks.gpu.rows import Row


def begin_with(earlier: Path, rows_file: Path, store: Path) -> None:
    """The rows of the tasks that went well in the folder `earlier`, and its store."""
    for row in of_tasks_that_went_well(rows.read(earlier / "rows.jsonl")):
        rows.append(rows_file, row)
    archive = earlier / "store.tar"
    if archive.is_file():
        with tarfile.open(archive) as opened:
            opened.extractall(store, filter="data")


def of_tasks_that_went_well(found: list[Row]) -> list[Row]:
    """Rows of tasks that ended, of which nothing failed, was left out or does not hold."""
    done = {task_of(row) for row in found if "seconds" in row and "task" in row}
    done -= {task_of(row) for row in found if went_wrong(row)}
    return [row for row in found if "task" in row and task_of(row) in done]


def went_wrong(row: Row) -> bool:
    failed = row.get("event") == "failed" or row.get("status") == "failed"
    return failed or "left_out" in row or row.get("holds") is False


def task_of(row: Row) -> tuple[object, object]:
    return row.get("stage"), row.get("task")
