"""Columns of the store's tables. `SCHEMA_VERSION` rises where old code could not read what new code writes."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA_VERSION = 1
PACKED_VERSION = 2  # of a store with packed files, in the row that says so to older versions

_TEXT, _INT, _FLOAT, _TIME = pa.string(), pa.int64(), pa.float64(), pa.timestamp("us", tz="UTC")
RUN_SCHEMA = pa.schema(
    [
        pa.field("run_id", _TEXT, nullable=False),
        pa.field("sweep", _TEXT, nullable=False),
        *(pa.field(name, _TEXT, nullable=False) for name in ("objective", "dataset", "encoder")),
        *(pa.field(name, _INT, nullable=False) for name in ("P", "D", "K", "seed")),
        pa.field("precision", _TEXT, nullable=False),
        ("steps", _INT),
        ("images", _INT),
        ("flops_per_step", _FLOAT),
        ("flops", _FLOAT),
        pa.field("status", _TEXT, nullable=False),
        ("error", _TEXT),
        *((name, _FLOAT) for name in ("percent_error", "heldout_percent_error", "heldout_percent_error_std")),
        *((name, _FLOAT) for name in ("probe_accuracy", "reconstruction", "uniformity")),
        *((name, _FLOAT) for name in ("wall_seconds", "images_per_second")),
        ("peak_memory_bytes", _INT),
        ("device", _TEXT),
        ("started_at", _TIME),
        ("finished_at", _TIME),
        *((name, _TEXT) for name in ("git_commit", "versions", "spec")),
        pa.field("schema_version", _INT, nullable=False),
        ("rank_bound", _INT),  # absent in older rows, as those that follow
        ("dataset_images", _INT),
        ("steady_memory_bytes", _INT),
    ]
)
TRAJECTORY_SCHEMA = pa.schema(
    [
        pa.field("run_id", _TEXT, nullable=False),
        *(pa.field(name, _INT, nullable=False) for name in ("step", "images")),
        *(
            pa.field(name, _FLOAT, nullable=False)
            for name in ("flops", "percent_error", "nuclear_norm", "loss", "reconstruction", "uniformity")
        ),
        pa.field("learning_rate", _FLOAT, nullable=False),
    ]
)
CELL_SCHEMA = pa.schema(
    [
        pa.field("run_id", _TEXT, nullable=False),
        *(pa.field(name, _INT, nullable=False) for name in ("P", "D", "K", "seed", "steps")),
        pa.field("spec", _TEXT, nullable=False),
    ]
)
MEASURE_SCHEMA = pa.schema(
    [
        pa.field("run_id", _TEXT, nullable=False),
        *(pa.field(name, _INT, nullable=False) for name in ("step", "images")),
        pa.field("flops", _FLOAT, nullable=False),
        *(pa.field(name, _TEXT, nullable=False) for name in ("name", "subject")),
        *((name, _FLOAT) for name in ("value", "low", "high")),
        pa.field("count", _INT, nullable=False),
        ("digest", _TEXT),  # absent in older rows
    ]
)


def of_schema(table: pa.Table, schema: pa.Schema) -> bool:
    """Whether a table has a schema's columns; what was added later may be absent if it may be null."""
    absent = [field for field in schema if field.name not in table.column_names]
    kept = pa.schema([field for field in schema if field not in absent])
    return bool(table.schema.equals(kept)) and all(field.nullable for field in absent)


def parquet_bytes(table: pa.Table, group_rows: int | None = None) -> bytes:
    """A parquet file with a checksum on each page, `group_rows` to a row group.

    Floats are stored byte by byte and integers by their differences: a trajectory's metrics are float32 at heart and
    its steps an even row, so that files are half as large as with dictionaries, and read faster. A single row, of which
    a store has thousands of files, is written plainly and without Arrow's copy of the schema: smaller, and read in
    little more than half the time.
    """
    stream = io.BytesIO()
    if table.num_rows == 1 and group_rows is None:
        plain = {"compression": "none", "use_dictionary": False, "write_statistics": False, "store_schema": False}
        pq.write_table(table, stream, write_page_checksum=True, **plain)
        return stream.getvalue()
    encodings = {field.name: _encoding(field.type) for field in table.schema if _encoding(field.type)}
    texts = [field.name for field in table.schema if field.name not in encodings]
    pq.write_table(
        table,
        stream,
        row_group_size=group_rows,
        compression="zstd",
        use_dictionary=texts,
        column_encoding=encodings,
        write_page_checksum=True,
    )
    return stream.getvalue()


def _encoding(kind: pa.DataType) -> str | None:
    if pa.types.is_floating(kind):
        return "BYTE_STREAM_SPLIT"
    return "DELTA_BINARY_PACKED" if pa.types.is_integer(kind) else None
