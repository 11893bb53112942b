"""What `status.py` and `--plan` say of a sweep whose rows are damaged, or whose grid varies many keys."""

import pytest
from typer.testing import CliRunner

from sweeps.launch import app as launch
from sweeps.status import app as status
from sweeps.storage.packing.compaction import compact
from tests import synthetic


def test_damaged_rows_are_named(tmp_path):
    store = synthetic.write_sweep(tmp_path / "sweep", (64,), (2, 4), steps=40)
    path = sorted((store.root / "runs").glob("*.parquet"))[0]
    path.write_bytes(b"no parquet")
    ran = CliRunner().invoke(status, [str(store.root)])
    assert ran.exit_code == 0 and "1 finished" in ran.stdout
    assert f"damaged in runs/: {path.name}" in " ".join(ran.stderr.split())


def test_a_plan_of_many_keys_never_cuts_p_d_and_k(write_grid, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    rates = "{learning_rate: [1.0e-3, 3.0e-3], weight_decay: [0.0, 1.0e-6], schedule: [constant, cosine]}"
    grid = write_grid(P="[16, 32]", optimizer=rates)
    ran = CliRunner().invoke(launch, [str(grid), "--plan", "--results", str(tmp_path / "results")])
    assert ran.exit_code == 0, ran.stderr
    rows = [[cell.strip() for cell in line.split("│")] for line in ran.stdout.splitlines() if line.startswith("│")]
    assert len(rows) == 16 and {tuple(row[2:5]) for row in rows} == {("16", "8", "2"), ("32", "8", "2")}


def test_a_damaged_table_of_cells_is_named(tmp_path):
    store = synthetic.write_sweep(tmp_path / "sweep", (64,), (2, 4), steps=40)
    (store.root / "cells.parquet").write_bytes(b"no parquet")
    ran = CliRunner().invoke(status, [str(store.root)])
    assert ran.exit_code == 0 and "2 finished" in ran.stdout
    assert "cells.parquet cannot be read: only runs that have begun are shown" in " ".join(ran.stderr.split())


@pytest.mark.parametrize("packed", [False, True])
def test_runs_of_grids_launched_before_are_counted(tmp_path, packed):
    store = synthetic.write_sweep(tmp_path / "sweep", (64,), (2, 4), steps=40)
    if packed:
        compact(store)
    rows = store.rows()
    store.write_cells([{"steps": 40, **{name: rows[0][name] for name in ("run_id", "P", "D", "K", "seed", "spec")}}])
    for options in ([], ["--json"]):
        ran = CliRunner().invoke(status, [str(store.root), *options])
        assert ran.exit_code == 0
        assert ran.stderr.startswith("note: 1 run of other grids in this folder: reports count them too")
    store.write_cells(
        [{"steps": 40, **{name: row[name] for name in ("run_id", "P", "D", "K", "seed", "spec")}} for row in rows]
    )
    assert CliRunner().invoke(status, [str(store.root)]).stderr == ""
