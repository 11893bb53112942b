"""A caption table: CSV, JSON lines or parquet with a column of file names and one of captions.

Each row is used or named: a row that cannot be read costs no other one. UTF-8 with and without a byte order mark.
"""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmcr_core.data.decoding import IMAGE_SUFFIXES, reason
from mmcr_core.data.image_text.captions import NoCaption, captions_of
from mmcr_core.data.shards.index import shown

READABLE = "give a .csv, .jsonl (one JSON object a line) or .parquet file"
SUFFIXES = tuple(f".{suffix}" for suffix in IMAGE_SUFFIXES)
WRONG_QUOTES = "a quote is left open, or text follows a closing one; put a caption in quotes, a quote in it as two"
BEGINNING = 40  # characters of a line that name it
Row = tuple[str, Any, Any]  # where, file name, caption


class Unusable(str):
    """In place of a file name: why a row cannot be used."""


class TableError(Exception):
    """A table that is absent or of no use; the message says what would be right."""


def captioned(table: Path, image_column: str, caption_column: str) -> tuple[dict[str, list[str]], list[str]]:
    """File name (NFC) -> its captions, in the order of the rows, and sentences about rows that cannot be used.

    Raises: TableError where the table cannot be read or has no such columns.
    """
    pairs: dict[str, list[str]] = {}
    left_out = []
    try:
        for where, image, caption in _rows(table, image_column, caption_column):
            if isinstance(image, Unusable):
                left_out.append(f"{where}: {image}")
            elif not isinstance(image, str) or not image.strip():
                left_out.append(f"{where}: it names no image")
            else:
                try:
                    name = unicodedata.normalize("NFC", image.strip())
                    pairs.setdefault(name, []).extend(captions_of(caption))
                except NoCaption as error:
                    left_out.append(f"{where}: {shown(image)}: {error}")
    except (OSError, ValueError, csv.Error) as error:
        raise TableError(f"{table} cannot be read ({reason(error)}); {READABLE}") from error
    return {name: captions for name, captions in pairs.items() if captions}, left_out


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
    """Rows, each named by its line. One whose quotes cannot be right ends with its line, so that it takes no other
    row with it."""
    lines = list(io.StringIO(table.read_bytes().decode("utf-8-sig"), newline=""))
    header, first = _record(lines, 0) if lines else ([], 0)
    _require(table, columns, header)
    places = [header.index(column) for column in columns]
    at = first
    while at < len(lines):
        try:
            fields, after = _record(lines, at)
            row, problem = _row(fields, len(header), places), _swallowed(lines[at + 1 : after], len(header), places)
        except csv.Error:
            after, row, problem = at + 1, None, WRONG_QUOTES
        if problem:
            problem = f"{shown(lines[at].strip()[:BEGINNING])}: {problem}"
            yield f"line {at + 1}", Unusable(problem), None
            after = at + 1
        elif row is not None:
            yield f"line {at + 1}", *row
        at = after


def _record(lines: list[str], at: int) -> tuple[list[str], int]:
    """The fields of the record that begins with a line, and the line behind it. Raises: csv.Error."""
    reader = csv.reader((lines[i] for i in range(at, len(lines))), strict=True)
    fields = next(reader, [])
    return fields, at + reader.line_num


def _row(fields: list[str], columns: int, places: list[int]) -> tuple[Any, Any] | None:
    """File name and caption; None of an empty line."""
    if not fields:
        return None
    if len(fields) > columns:
        more = f"it has {len(fields)} fields, and the header {columns}; put captions with commas in quotes"
        return Unusable(more), None
    image, caption = (fields[place] if place < len(fields) else None for place in places)
    return image, caption


def _swallowed(within: list[str], columns: int, places: list[int]) -> str | None:
    """What is wrong where lines within a quoted caption look like rows of the table."""
    for line in within:
        fields = line.rstrip("\r\n").split(",")
        if len(fields) >= columns and fields[places[0]].strip(' "').lower().endswith(SUFFIXES):
            return f"{WRONG_QUOTES}: lines that look like rows follow within them"
    return None


def _of_json_lines(table: Path, columns: tuple[str, str]) -> Iterator[Row]:
    keys: set[str] = set()
    with table.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if isinstance(row, dict):
                keys |= row.keys()
                yield f"line {number}", row.get(columns[0]), row.get(columns[1])
            elif not keys:
                raise TableError(f"{table}: line {number} is not a JSON object; {READABLE}")
            else:
                yield f"line {number}", Unusable("it is not a JSON object"), None
    _require(table, columns, sorted(keys))


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
                    yield f"row {number}", image, caption
    except pa.ArrowException as error:
        raise TableError(f"{table} is not a readable parquet file ({reason(error)}); {READABLE}") from error


def _require(table: Path, columns: tuple[str, str], found: list[str]) -> None:
    for column, option in zip(columns, ("--image-column", "--caption-column"), strict=True):
        if column not in found:
            names = ", ".join(found) or "none"
            raise TableError(f"{table} has no column '{column}'; its columns are {names}: name one with {option}")
