"""The committed sweeps packed, every number unchanged: `python -m tests.pack_reference [FOLDER]`.

Each sweep is packed in a copy, which is compared with what was there, to the last bit, before it takes its place.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import pandas as pd

from analysis import open_results
from analysis.results.analysis_cache import content_digest
from sweeps.storage.fsck import examine
from sweeps.storage.packing.compaction import compact
from sweeps.storage.sweep_store import Store

REFERENCE = Path(__file__).parents[1] / "results" / "reference"
TABLES = ("runs", "trajectories", "measures", "fits", "peaks", "joint_law")


def tables(sweep: Path) -> dict[str, pd.DataFrame]:
    """Every table of a sweep that there is, its rows in one order."""
    results, found = open_results(sweep), {}
    there = set(results.columns()["table"])
    for name in there.intersection(TABLES):
        found[name] = results.sql(f"SELECT * FROM {name}")
    order = {"runs": ["run_id"], "trajectories": ["run_id", "step"], "measures": ["run_id", "step", "name", "subject"]}
    return {name: table.sort_values(order.get(name, []) or list(table.columns[:0]), ignore_index=True) if name in order
            else table for name, table in found.items()}  # fmt: skip


def require_same(sweep: Path, other: Path) -> None:
    """Raises AssertionError where two stores differ in any number."""
    before, after = tables(sweep), tables(other)
    assert set(before) == set(after), (set(before), set(after))
    for name, table in before.items():
        pd.testing.assert_frame_equal(table, after[name], check_exact=True)
    assert content_digest(open_results(sweep)) == content_digest(open_results(other))
    assert Store(sweep).rows() == Store(other).rows()
    assert [finding for finding in examine(Store(other), repair=False) if finding.wrong] == []


def main() -> None:
    for sweep in sorted(Path(sys.argv[1] if len(sys.argv) > 1 else REFERENCE).iterdir()):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / sweep.name
            shutil.copytree(sweep, copy)
            done = compact(Store(copy))
            shutil.rmtree(copy / "leases", ignore_errors=True)
            require_same(sweep, copy)
            shutil.rmtree(sweep)
            shutil.copytree(copy, sweep)
        size = sum(file.stat().st_size for file in sweep.rglob("*") if file.is_file())
        print(f"{sweep.name}: {done.runs} runs packed, {done.files} files fewer, {size / 1e6:.2f} MB, left {done.left}")


if __name__ == "__main__":
    main()
