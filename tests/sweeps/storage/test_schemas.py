import io
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sweeps.storage.schemas import MEASURE_SCHEMA, RUN_SCHEMA, TRAJECTORY_SCHEMA, parquet_bytes

VALUES = {
    pa.string(): "é",
    pa.int64(): 3,
    pa.float64(): 0.1,
    pa.timestamp("us", tz="UTC"): datetime(2026, 1, 2, 3, tzinfo=UTC),
}


def read(content):
    with pq.ParquetFile(io.BytesIO(content), page_checksum_verification=True) as file:
        return file.read()


@pytest.mark.parametrize("schema", [RUN_SCHEMA, MEASURE_SCHEMA, TRAJECTORY_SCHEMA], ids=["runs", "measures", "steps"])
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("given", [True, False], ids=["given", "null"])
def test_rows_are_read_as_they_were_written(schema, rows, given):
    row = {field.name: VALUES[field.type] if given or not field.nullable else None for field in schema}
    table = pa.Table.from_pylist(rows * [row], schema)
    assert read(parquet_bytes(table)).equals(table)
    assert read(parquet_bytes(table)).schema.equals(schema)


def test_a_byte_that_changed_in_a_single_row_is_noticed():
    row = {field.name: VALUES[field.type] for field in RUN_SCHEMA} | {"spec": "as it was"}
    content = parquet_bytes(pa.Table.from_pylist([row], RUN_SCHEMA))
    assert content.count(b"as it was") == 1
    with pytest.raises(OSError, match="CRC"):
        read(content.replace(b"as it was", b"as it is!"))
