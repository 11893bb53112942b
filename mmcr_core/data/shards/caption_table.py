"""A caption table: CSV, JSON lines or parquet with a column of file names and one of captions."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmcr_core.data.decoding import reason
from mmcr_core.data.shards.index import shown

READABLE = "give a .csv, .jsonl (one JSON object a line) or .parquet file"
Row = tuple[int, Any, Any]  # number, file name, caption
TOO_MANY = object()  # in place of a caption: the line has more fields than there are columns


class TableError(Exception):
    """A table that is absent or of no use; the message says what would be right."""


def captioned(table: Path, image_column: str, caption_column: str) -> tuple[dict[str, list[str]], list[str]]:
    """File name -> its captions, in the order of the rows, and sentences about rows that lack either.

    Raises: TableError where the table cannot be read or has no such columns.
    """
    pairs: dict[str, list[str]] = {}
    left_out = []
    try:
        for number, image, caption in _rows(table, image_column, caption_column):
            if not isinstance(image, str) or not image.strip():
                left_out.append(f"row {number}: it names no image")
            elif caption is TOO_MANY:
                quote = "more fields than the header has; put captions with commas in quotes"
                left_out.append(f"row {number}: the line of {shown(image)} has {quote}")
            elif not isinstance(caption, str) or not caption.strip():
                left_out.append(f"row {number}: {shown(image)} has no caption")
            elif shown(caption) != caption:
                left_out.append(f"row {number}: the caption of {shown(image)} is not UTF-8")
            else:
                pairs.setdefault(image.strip(), []).append(caption.strip())
    except (OSError, ValueError, csv.Error) as error:
        raise TableError(f"{table} cannot be read ({reason(error)}); {READABLE}") from error
    return pairs, left_out


def _rows(table: Path, image_column: str, caption_column: str) -> Iterator[Row]:
    suffix = table.suffix.lower()
    columns = (image_column, caption_column)
    if suffix == ".csv":
        return _of_csv(table, columns)
    if suffix in (".jsonl", ".ndjson", ".json"):
        return _of_json_lines(table, columns)
    if suffix == ".parquet":
        return _of_parquet(table, columns)
    raise TableError(f"{table} is of no known kind; {READABLE}")


def _of_csv(table: Path, columns: tuple[str, str]) -> Iterator[Row]:
    with table.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        _require(table, columns, list(reader.fieldnames or []))
        for number, row in enumerate(reader, 1):
            yield number, row[columns[0]], TOO_MANY if None in row else row[columns[1]]


def _of_json_lines(table: Path, columns: tuple[str, str]) -> Iterator[Row]:
    seen: set[str] = set()
    with table.open(encoding="utf-8") as stream:
        number = 0
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                raise TableError(f"{table}: line {number} is not a JSON object; {READABLE}")
            seen |= row.keys()
            yield number, row.get(columns[0]), row.get(columns[1])
    _require(table, columns, sorted(seen))


def _of_parquet(table: Path, columns: tuple[str, str]) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(table) as file:
            _require(table, columns, file.schema_arrow.names)
            number = 0
            for batch in file.iter_batches(columns=list(dict.fromkeys(columns))):
                for image, caption in zip(*(batch.column(name).to_pylist() for name in columns), strict=True):
                    number += 1
                    yield number, image, caption
    except pa.ArrowException as error:
        raise TableError(f"{table} is not a readable parquet file ({reason(error)}); {READABLE}") from error


def _require(table: Path, columns: tuple[str, str], found: list[str]) -> None:
    for column, option in zip(columns, ("--image-column", "--caption-column"), strict=True):
        if column not in found:
            names = ", ".join(found) or "none"
            raise TableError(f"{table} has no column '{column}'; its columns are {names}: name one with {option}")
