"""A caption table: CSV, JSON lines or parquet with a column of file names and one of captions.

Each row is used or named: a row that cannot be read costs no other one. UTF-8 with and without a byte order mark. The
lines of a text are counted apart from the rows that they become, so that none is lost between two rows.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from mmcr_core import strict_json
from mmcr_core.data.decoding import IMAGE_SUFFIXES, reason
from mmcr_core.data.image_text.captions import NoCaption, captions_of
from mmcr_core.data.shards.index import shown
from mmcr_core.data.survey import Account, Some

SEPARATORS = (",", ";", "\t")
READABLE = "give a .csv, .jsonl (one JSON object a line) or .parquet file"
SUFFIXES = tuple(f".{suffix}" for suffix in IMAGE_SUFFIXES)
WRONG_QUOTES = "a quote is left open, or text follows a closing one; put a caption in quotes, a quote in it as two"
BEGINNING = 40  # characters of a line that name it


class Unusable(str):
    """In place of a file name: why a row cannot be used."""


class Row(NamedTuple):
    """`where` it stands, its file name (None: it is the header or empty) and caption; `lines` it takes; `begins`: a
    part of it that names it where it has no file name."""

    where: str
    image: Any
    caption: Any = None
    lines: int = 1
    begins: str = ""


class LeftOut(NamedTuple):
    """A row that is not used: where it stands, its file name or beginning, why."""

    row: Row
    name: str
    why: str

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.row.where, shown(self.name), self.why)))


class TableError(Exception):
    """A table that is absent or of no use; the message says what would be right."""


class CaptionTable(NamedTuple):
    """`captions` by file name (NFC, ./a as a) in the order of the rows, the `rows` that have them, those `left_out`,
    and how many rows, of a text lines, there are (`seen`), without the header and empty lines."""

    captions: dict[str, list[str]]
    rows: dict[str, list[Row]]
    left_out: list[LeftOut]
    seen: int

    def account(self, unwritten: Mapping[str, str]) -> Account:
        """Of all rows; `unwritten`: file name -> why it is in no shard."""
        out = [(left.row, left.why) for left in self.left_out]
        out += [(row, why) for name, why in unwritten.items() for row in self.rows[name]]
        reasons: dict[str, Some] = {}
        for row, why in out:
            key = f"since {why}"
            reasons[key] = reasons.get(key, Some()) + Some(row.lines, (row.where,))
        used = sum(row.lines for name, rows in self.rows.items() if name not in unwritten for row in rows)
        return Account(self.seen, used, reasons)


def captioned(table: Path, image_column: str, caption_column: str) -> CaptionTable:
    """What a table says. Raises: TableError where it cannot be read or has no such columns."""
    captions: dict[str, list[str]] = {}
    rows: dict[str, list[Row]] = {}
    left_out = []
    try:
        found, seen = _rows(table, image_column, caption_column), _size(table)
        for row in found:
            if row.image is None:
                seen -= row.lines
            elif isinstance(row.image, Unusable):
                left_out.append(LeftOut(row, row.begins, row.image))
            elif not isinstance(row.image, str) or not row.image.strip():
                left_out.append(LeftOut(row, "", "it names no image"))
            else:
                try:
                    said = captions_of(row.caption)
                except NoCaption as error:
                    left_out.append(LeftOut(row, row.image, str(error)))
                else:
                    name = str(PurePosixPath(unicodedata.normalize("NFC", row.image.strip())))
                    captions.setdefault(name, []).extend(said)
                    rows.setdefault(name, []).append(row)
    except UnicodeDecodeError as error:
        raise TableError(f"{table} is not UTF-8 text; save it as UTF-8") from error
    except (OSError, ValueError, csv.Error) as error:
        raise TableError(f"{table} cannot be read ({reason(error)}); {READABLE}") from error
    return CaptionTable(captions, rows, left_out, seen)


def _size(table: Path) -> int:
    """Lines of a text, rows of a parquet file."""
    if table.suffix.lower() == ".parquet":
        return int(_parquet(table).metadata.num_rows)
    with table.open(encoding="utf-8-sig", newline="") as stream:
        return sum(1 for _ in stream)


def _rows(table: Path, image_column: str, caption_column: str) -> Iterator[Row]:
    suffix = table.suffix.lower()
    columns = (image_column, caption_column)
    if suffix in (".csv", ".tsv"):
        return _of_csv(table, columns)
    if suffix in (".jsonl", ".ndjson", ".json"):
        return _of_json_lines(table, columns)
    if suffix == ".parquet":
        return _of_parquet(table, columns)
    raise TableError(f"{table} is of no known kind; {READABLE}")


def _of_csv(table: Path, columns: tuple[str, str]) -> Iterator[Row]:
    """Rows, each named by its line. One whose quotes cannot be right ends with its line, so that it takes no other
    row with it. Fields are separated by what the header has between the columns: a comma, a semicolon or a tab."""
    lines = list(io.StringIO(table.read_bytes().decode("utf-8-sig"), newline=""))
    found = (mark for mark in SEPARATORS if set(columns) <= set(next(csv.reader(lines[:1], delimiter=mark), [])))
    mark = next(found, ",")
    header, first = _record(lines, 0, mark) if lines else ([], 0)
    _require(table, columns, header)
    if twice := next((column for column in columns if header.count(column) > 1), None):
        raise TableError(f"{table} has two columns '{twice}'; rename one of them")
    places = [header.index(column) for column in columns]
    yield Row("line 1", None, lines=first)
    at = first
    while at < len(lines):
        try:
            fields, after = _record(lines, at, mark)
            within = [line.rstrip("\r\n").split(mark) for line in lines[at + 1 : after]]
            row, problem = _row(fields, len(header), places), _swallowed(within, len(header), places)
        except csv.Error:
            most = csv.field_size_limit()
            too_long = f"it has more than {most:,} characters, which are no caption" if len(lines[at]) > most else ""
            after, row, problem = at + 1, (None, None), too_long or WRONG_QUOTES
        if problem:
            row, after = (Unusable(problem), None), at + 1
        yield Row(f"line {at + 1}", *row, lines=after - at, begins=lines[at].strip()[:BEGINNING])
        at = after


def _record(lines: list[str], at: int, mark: str) -> tuple[list[str], int]:
    """The fields of the record that begins with a line, and the line behind it. Raises: csv.Error."""
    reader = csv.reader((lines[i] for i in range(at, len(lines))), strict=True, delimiter=mark)
    fields = next(reader, [])
    return fields, at + reader.line_num


def _row(fields: list[str], columns: int, places: list[int]) -> tuple[Any, Any]:
    """File name and caption; None of an empty line."""
    if not fields:
        return None, None
    if len(fields) > columns:
        more = f"it has {len(fields)} fields, and the header {columns}; put captions with separators in quotes"
        return Unusable(more), None
    image, caption = (fields[place] if place < len(fields) else None for place in places)
    return image or "", caption


def _swallowed(within: list[list[str]], columns: int, places: list[int]) -> str | None:
    """What is wrong where lines within a quoted caption look like rows of the table."""
    for fields in within:
        if len(fields) >= columns and fields[places[0]].strip(' "').lower().endswith(SUFFIXES):
            return f"{WRONG_QUOTES}: lines that look like rows follow within them"
    return None


def _of_json_lines(table: Path, columns: tuple[str, str]) -> Iterator[Row]:
    keys: set[str] = set()
    with table.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, 1):
            where = f"line {number}"
            try:
                row = strict_json.loads(line) if line.strip() else None
            except strict_json.RepeatedKey as error:
                row = Unusable(str(error))
            except (ValueError, RecursionError):
                row = None
            if isinstance(row, Unusable):
                yield Row(where, row, begins=line.strip()[:BEGINNING])
            elif isinstance(row, dict):
                keys |= row.keys()
                yield Row(where, row.get(columns[0]) or "", row.get(columns[1]))
            elif not line.strip():
                yield Row(where, None)
            elif not keys:
                raise TableError(f"{table}: {where} is not a JSON object; {READABLE}")
            else:
                yield Row(where, Unusable("it is not a JSON object"), begins=line.strip()[:BEGINNING])
    _require(table, columns, sorted(keys))


def _of_parquet(table: Path, columns: tuple[str, str]) -> Iterator[Row]:
    import pyarrow as pa

    file = _parquet(table)
    _require(table, columns, file.schema_arrow.names)
    number = 0
    try:
        for batch in file.iter_batches(columns=list(dict.fromkeys(columns))):
            for image, caption in zip(*(batch.column(name).to_pylist() for name in columns), strict=True):
                number += 1
                yield Row(f"row {number}", image or "", caption)
    except pa.ArrowException as error:
        raise TableError(f"{table} is damaged from row {number + 1} on ({reason(error)}); write it anew") from error


def _parquet(table: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(table)
    except pa.ArrowException as error:
        raise TableError(f"{table} is not a readable parquet file ({reason(error)}); {READABLE}") from error


def _require(table: Path, columns: tuple[str, str], found: list[str]) -> None:
    for column, option in zip(columns, ("--image-column", "--caption-column"), strict=True):
        if column not in found:
            names = ", ".join(found) or "none"
            raise TableError(f"{table} has no column '{column}'; its columns are {names}: name one with {option}")
