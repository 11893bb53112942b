"""What earlier versions called tables and columns that analysis writes: read under their names of today."""

from __future__ import annotations

import pyarrow as pa

TABLES = {"joint_law": "grid_law"}  # today's name -> the older one, of the file and in SQL
COLUMNS = {
    "peaks": {"chance": "p_value"},
    "fits": {"floor": "irreducible"},
    "joint_law": {"floor": "irreducible"},
}  # table -> older name of a column -> today's
TODAY = {old: new for new, old in TABLES.items()}


def stems(table: str) -> tuple[str, ...]:
    """Names of the files that may hold a table, of which the first that is there counts."""
    return (table, TABLES[table]) if table in TABLES else (table,)


def renamed(table: str, columns: pa.Schema) -> pa.Schema:
    """The columns of a table's file as they are called today."""
    today = COLUMNS.get(table, {})
    return pa.schema([field.with_name(today.get(field.name, field.name)) for field in columns])


def as_in_file(table: str, columns: pa.Schema, file: pa.Schema) -> pa.Schema:
    """Today's columns as the file of a table, which may be an older one, calls them."""
    before = {new: old for old, new in COLUMNS.get(table, {}).items() if old in file.names}
    return pa.schema([field.with_name(before.get(field.name, field.name)) for field in columns])


def today(name: str, table: pa.Table) -> pa.Table:
    """A table of an older file with today's names; others as they are."""
    columns = renamed(name, table.schema)
    if columns.names == table.column_names:
        return table
    metadata = {key: value for key, value in (table.schema.metadata or {}).items() if key != b"pandas"}
    return table.rename_columns(columns.names).replace_schema_metadata(metadata)
