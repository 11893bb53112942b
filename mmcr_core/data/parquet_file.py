"""A user's parquet file: a column `image` of encoded bytes, or of Hugging Face's image feature, and perhaps `label`.

It is opened once: what is hashed and what is decoded is the same open file, so that a file put in its place
meanwhile is not read, and one that is written to meanwhile is refused.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmcr_core.data.custom_images import OwnFiles
from mmcr_core.data.decoding import reason
from mmcr_core.data.image_set import ContentChanged, DatasetError, Entry
from mmcr_core.data.image_text.captions import NoCaption, captions_of
from mmcr_core.data.survey import Contents, Survey

NO_BYTES = "without bytes: only an image's own bytes are read, never a path"


class ParquetFile(OwnFiles):
    """The file at `spec.path`."""

    def located(self) -> list[Path]:
        return [located(self.path)]

    captioned = False

    def surveyed(self) -> Contents:
        survey = Survey(self.spec.max_pixels)
        for entry in entries(self.path, None, self.captioned):
            if entry.encoded:
                survey.image(entry.name, entry.encoded)
            else:
                survey.leave_out(entry.name, NO_BYTES)
        return survey.contents(digest(self.path), rows(self.path), f"file {self.path}", "rows")

    def total(self) -> int:
        return rows(self.path)

    def entries(self) -> Iterator[Entry]:
        return entries(self.path, self.spec.digest, self.captioned)

    def require_present(self) -> None:
        super().require_present()
        require_labels(self.path)


def located(path: str) -> Path:
    """The file at `path`, links resolved. Raises: DatasetError where there is none."""
    file = Path(os.path.realpath(path))
    if not file.is_file():
        problem = "is a folder, not a file" if file.is_dir() else "does not exist"
        raise DatasetError(f"file {file} {problem}; set path: to a parquet file with a column 'image'")
    return file


def digest(path: str) -> str:
    """SHA-256 of the file's bytes."""
    with _opened(located(path)) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def rows(path: str) -> int:
    """Number of rows, from the file's footer. Raises: DatasetError where its columns are not of use."""
    with _opened(located(path)) as stream:
        return int(_checked(stream).metadata.num_rows)


def require_labels(path: str) -> None:
    """Raises DatasetError where a label is not of use; reads that column only."""
    with _opened(located(path)) as stream:
        _labels(_checked(stream), stream.name)


def class_count(path: str) -> int:
    """One more than the largest label; 0 where no row has one. Raises as `require_labels`."""
    with _opened(located(path)) as stream:
        return int(_labels(_checked(stream), stream.name).max(initial=-1)) + 1


def require_captions(path: str) -> None:
    """Raises DatasetError where there is no column of captions, or it is of no use."""
    with _opened(located(path)) as stream:
        _require_captions(_checked(stream), stream.name)


def entries(path: str, expected: str | None, captions: bool = False) -> Iterator[Entry]:
    """The file's rows, with their `captions` where asked for; one without any is not readable.

    Raises: ContentChanged where the file does not have the digest `expected`; DatasetError where it is of no use.
    """
    import pyarrow as pa

    with _opened(located(path)) as stream:
        opened = _stamp(stream)
        if expected is not None:
            _verify(stream, expected)
        file = _checked(stream)
        labels = _labels(file, stream.name)
        if captions:
            _require_captions(file, stream.name)
        batches = file.iter_batches(1024, columns=["image", "caption"] if captions else ["image"])
        row = 0
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                raise DatasetError(
                    f"file {stream.name} is damaged from row {row} on ({reason(error)}); write it anew"
                ) from error
            if batch is None:
                break
            said = batch.column("caption").to_pylist() if captions else [None] * len(batch)
            for value, texts in zip(batch.column("image").to_pylist(), said, strict=True):
                encoded = (value["bytes"] if isinstance(value, dict) else value) or b""
                try:
                    yield Entry(f"row {row}", encoded, int(labels[row]), captions_of(texts) if captions else ())
                except NoCaption as error:
                    yield Entry(f"row {row}", error, int(labels[row]))
                row += 1
        if expected is not None and _stamp(stream) != opened:
            _verify(stream, expected)


def _opened(file: Path) -> io.BufferedReader:
    try:
        return file.open("rb")
    except OSError as error:
        raise DatasetError(f"file {file} cannot be read ({error.strerror}); make it readable") from error


def _stamp(stream: io.BufferedReader) -> tuple[int, int, int]:
    status = os.fstat(stream.fileno())
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _verify(stream: io.BufferedReader, expected: str) -> None:
    stream.seek(0, os.SEEK_END)  # lets go of what is buffered
    stream.seek(0)
    found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != expected:
        raise ContentChanged(f"file {stream.name}", found, expected)


def _checked(stream: io.BufferedReader) -> Any:
    """The parquet file in `stream`. Raises: DatasetError unless its columns can be images and labels."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = stream.name
    try:
        file = pq.ParquetFile(stream)
        schema = file.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"file {name} is not a readable parquet file ({reason(error)})") from error
    if "image" not in schema.names:
        raise DatasetError(f"file {name} has columns {', '.join(schema.names)}; it needs 'image' (encoded bytes)")
    for column in ("image", "label"):
        if schema.names.count(column) > 1:
            raise DatasetError(f"file {name} has more than one column '{column}'; keep one")
    kind = schema.field("image").type
    if not (_is_bytes(kind) or _is_hub_image(kind)):
        raise DatasetError(
            f"file {name}: column 'image' is {kind}; it must hold encoded JPEG, PNG or other image bytes"
        )
    if "label" in schema.names and not _is_label(_value_type(schema.field("label").type)):
        raise DatasetError(
            f"file {name}: column 'label' is {schema.field('label').type}; it must hold whole numbers, names or "
            f"true and false, with null where there is none"
        )
    return file


def _require_captions(file: Any, name: str) -> None:
    import pyarrow as pa

    schema = file.schema_arrow
    if schema.names.count("caption") != 1:
        raise DatasetError(
            f"file {name} has columns {', '.join(schema.names)}; for pairs it needs one 'caption' (text, or lists of "
            f"texts)"
        )
    kind = _value_type(schema.field("caption").type)
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not _is_name(kind.value_type if listed else kind):
        raise DatasetError(f"file {name}: column 'caption' is {kind}; it must hold text, or lists of texts")


def _is_bytes(kind: Any) -> bool:
    import pyarrow as pa

    kind = _value_type(kind)
    types = pa.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


def _is_hub_image(kind: Any) -> bool:
    """A struct with a `bytes` field, as Hugging Face's image feature is stored."""
    import pyarrow as pa

    return bool(pa.types.is_struct(kind)) and kind.get_field_index("bytes") >= 0 and _is_bytes(kind.field("bytes").type)


def _value_type(kind: Any) -> Any:
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_label(kind: Any) -> bool:
    import pyarrow as pa

    types = pa.types
    return bool(types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind)) or bool(
        _is_name(kind) or types.is_null(kind)
    )


def _is_name(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _labels(file: Any, name: str) -> NDArray[np.int64]:
    """Column `label` as (rows,): numbers as they are, names as their place in sorted order, -1 where there is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if "label" not in file.schema_arrow.names:
        return np.full(file.metadata.num_rows, -1, dtype=np.int64)
    try:
        column = file.read(columns=["label"]).column("label")
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"file {name}: column 'label' is damaged ({reason(error)}); write it anew") from error
    column = column.cast(_value_type(column.type))
    missing = np.asarray(column.is_null())
    if _is_name(column.type):
        spelt = column.cast(pa.large_string()).cast(pa.large_binary())  # sorts as text does; need not be UTF-8
        names = sorted(value for value in spelt.unique().to_pylist() if value is not None)
        numbers = np.asarray(pc.index_in(spelt, value_set=pa.array(names, pa.large_binary())).fill_null(-1))
    elif pa.types.is_null(column.type):
        numbers = np.full(len(column), -1)
    elif pa.types.is_boolean(column.type):
        numbers = np.asarray(column.cast(pa.int8()).fill_null(-1))
    elif pa.types.is_floating(column.type):
        numbers = np.where(missing, -1.0, np.asarray(column.to_numpy(), dtype=np.float64))
        whole = (np.floor(numbers) == numbers) & (numbers >= -(2.0**63)) & (numbers < 2.0**63)
        _require(whole, numbers, name)
    else:
        numbers = np.asarray(column.fill_null(0))
        if column.type == pa.uint64():
            _require(numbers < 2**63, numbers, name)
    return np.where(missing, np.int64(-1), numbers.astype(np.int64))


def _require(usable: NDArray[np.bool_], numbers: NDArray[Any], name: str) -> None:
    if not usable.all():
        row = int(np.argmin(usable))
        raise DatasetError(
            f"file {name}: column 'label' is {numbers[row]} in row {row}; it must hold whole numbers below 2^63, with "
            f"null where there is none"
        )
