"""A sweep as three parquet files, laid out as a packed store: analysis reads the folder as any sweep's."""

from __future__ import annotations

import pyarrow as pa

from sweeps.cli.errors import UserError
from sweeps.exporting.cards import data_card
from sweeps.storage.packing.packed import SCHEMAS, pack
from sweeps.storage.sweep_store import Store


def table_files(store: Store) -> dict[str, bytes]:
    """Name -> content of the files of a sweep's export: each run that has ended, its steps and its measures. Raises
    UserError where none has."""
    snapshot = store.snapshot()
    rows = snapshot.rows()
    if not rows:
        raise UserError(f"{store.root} holds no runs that have ended; launch its grid first")
    steps = [table for _, table in snapshot.trajectories(set(rows), SCHEMAS["trajectories"].names)]
    measured = [one for run in rows for step in store.measured_steps(run) for one in store.read_measures(run, step)]
    tables = {
        "runs": pa.Table.from_pylist(list(rows.values()), SCHEMAS["runs"]),
        "trajectories": pa.concat_tables([SCHEMAS["trajectories"].empty_table(), *steps]),
        "measures": pa.Table.from_pylist(measured, SCHEMAS["measures"]),
    }
    packed = {table: pack(table, content) for table, content in tables.items()}
    files = {table: f"packed/{name}" for table, (name, _) in packed.items()}
    card = data_card(store.root.name, list(rows.values()), files)
    return {files[table]: content for table, (_, content) in packed.items()} | {"README.md": card.encode()}
