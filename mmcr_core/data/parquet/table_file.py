"""One parquet file with images: opened, its columns checked by their types, and what `datasets` says of them."""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from mmcr_core.config.run import DatasetSpec
from mmcr_core.data.decoding import reason
from mmcr_core.data.image_set import ContentChanged, DatasetError


class Columns(NamedTuple):
    """Which columns hold what; `labels_named`: whether somebody named that of the labels, which must then be there."""

    image: str = "image"
    label: str = "label"
    caption: str | None = None
    labels_named: bool = False

    @staticmethod
    def of(spec: DatasetSpec, captioned: bool) -> Columns:
        caption = (spec.caption_column or "caption") if captioned else None
        named = spec.label_column is not None
        return Columns(spec.image_column or "image", spec.label_column or "label", caption, named)


def opened(file: Path) -> io.BufferedReader:
    """Raises DatasetError where it cannot be."""
    try:
        return file.open("rb")
    except OSError as error:
        raise DatasetError(f"file {file} cannot be read ({error.strerror}); make it readable") from error


def stamp(stream: io.BufferedReader) -> tuple[int, ...]:
    """What changes when an open file does, or when another one takes its place."""
    status = os.fstat(stream.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def file_digest(stream: io.BufferedReader) -> str:
    """SHA-256 of an open file's bytes."""
    stream.seek(0, os.SEEK_END)  # lets go of what is buffered
    stream.seek(0)
    return hashlib.file_digest(stream, "sha256").hexdigest()


def verify(stream: io.BufferedReader, expected: str) -> None:
    """Raises ContentChanged where an open file has another digest."""
    if (found := file_digest(stream)) != expected:
        raise ContentChanged(f"file {stream.name}", found, expected)


def checked(stream: io.BufferedReader, columns: Columns) -> Any:
    """The parquet file in `stream`. Raises: DatasetError unless its columns can be images, labels and captions."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = stream.name
    try:
        file = pq.ParquetFile(stream)
        schema = file.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"file {name} is not a readable parquet file ({reason(error)})") from error
    _require(schema, columns.image, "image_column", "encoded bytes", name, _holds_images)
    wanted = [columns.image, columns.label, *filter(None, [columns.caption])]
    for column in wanted:
        if schema.names.count(column) > 1:
            raise DatasetError(f"file {name} has more than one column '{column}'; keep one")
    kind = schema.field(columns.image).type
    if not _holds_images(kind):
        raise DatasetError(
            f"file {name}: column '{columns.image}' is {kind}; it must hold encoded JPEG, PNG or other image bytes"
        )
    if columns.labels_named:
        _require(schema, columns.label, "label_column", "labels", name, _looks_like_labels)
    if columns.label in schema.names and not _holds_labels(schema.field(columns.label).type):
        raise DatasetError(
            f"file {name}: column '{columns.label}' is {schema.field(columns.label).type}; it must hold whole numbers, "
            f"names or true and false, with null where there is none"
        )
    if columns.caption:
        _require(schema, columns.caption, "caption_column", "text, or lists of texts", name, _holds_captions)
        kind = schema.field(columns.caption).type
        if not _holds_captions(kind):
            raise DatasetError(
                f"file {name}: column '{columns.caption}' is {value_type(kind)}; it must hold text, or lists of texts"
            )
    return file


def _require(schema: Any, column: str, key: str, what: str, name: str, fits: Any) -> None:
    if column not in schema.names:
        fitting = [field.name for field in schema if fits(field.type)]
        remedy = f"give {key}: {' or '.join(fitting)}" if fitting else f"no other column could hold {what}"
        raise DatasetError(f"file {name} has columns {', '.join(schema.names)}; it needs '{column}' ({what}), {remedy}")


def class_names(file: Any, column: str) -> tuple[str, ...]:
    """The names of a column's classes in the order of its numbers, as `datasets` keeps them (a ClassLabel); empty where
    it keeps none."""
    try:
        features = json.loads((file.schema_arrow.metadata or {})[b"huggingface"])["info"]["features"]
        names = features[column]["names"] if features[column].get("_type") == "ClassLabel" else []
    except (KeyError, ValueError, TypeError):
        return ()
    return tuple(map(str, names))


def value_type(kind: Any) -> Any:
    """Of a dictionary, that of its values."""
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_bytes(kind: Any) -> bool:
    import pyarrow as pa

    kind, types = value_type(kind), pa.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


def _holds_images(kind: Any) -> bool:
    """Bytes, or a struct with a field of such, `bytes`, as the image feature of `datasets` is stored."""
    import pyarrow as pa

    hub = pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0
    return _is_bytes(kind.field("bytes").type if hub else kind)


def _holds_labels(kind: Any) -> bool:
    import pyarrow as pa

    kind, types = value_type(kind), pa.types
    numbers = types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind)
    return bool(numbers or types.is_null(kind)) or is_text(kind)


def _looks_like_labels(kind: Any) -> bool:
    """Whether a column is likely to be meant: numbers with a fraction may hold whole ones, but seldom are labels."""
    import pyarrow as pa

    return _holds_labels(kind) and not (pa.types.is_floating(value_type(kind)) or pa.types.is_null(value_type(kind)))


def _holds_captions(kind: Any) -> bool:
    import pyarrow as pa

    kind, types = value_type(kind), pa.types
    listed = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return is_text(value_type(kind.value_type) if listed else kind)
