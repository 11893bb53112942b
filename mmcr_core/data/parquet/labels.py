"""Labels of parquet files: whole numbers as they are, names as their place in the sorted names of all files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmcr_core.data.decoding import reason
from mmcr_core.data.image_set import DatasetError
from mmcr_core.data.parquet.table_file import class_names, is_text, value_type


class Labels(NamedTuple):
    """Of each file its rows' labels (rows,) int64, -1 where there is none; the classes' names, where they are known;
    how many classes there are."""

    numbers: list[NDArray[np.int64]]
    classes: tuple[str, ...]
    class_count: int


class Column(NamedTuple):
    """One file's labels: numbers, or names as bytes, None where there is none; names of a ClassLabel."""

    place: str
    rows: int
    values: Any
    names: tuple[str, ...]


def read_column(file: Any, place: str, name: str) -> Column:
    """Column `name` of an open parquet file at `place`. Raises: DatasetError for labels that are of no use."""
    import pyarrow as pa

    rows = file.metadata.num_rows
    if name not in file.schema_arrow.names:
        return Column(place, rows, None, ())
    try:
        column = file.read(columns=[name]).column(name)
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"file {place}: column '{name}' is damaged ({reason(error)}); write it anew") from error
    column = column.cast(value_type(column.type))
    if is_text(column.type):  # sorts as text does; need not be UTF-8
        return Column(place, rows, column.cast(pa.large_string()).cast(pa.large_binary()), ())
    numbers, names = _numbers(column, place, name), class_names(file, name)
    if names and len(numbers) and numbers.max() >= len(names):
        problem = f"column '{name}' has the label {numbers.max()}, and its metadata name {len(names)} classes"
        raise DatasetError(f"file {place}: {problem}; write it anew")
    return Column(place, rows, numbers, names)


def joined(columns: Sequence[Column]) -> Labels:
    """The labels of all files. Raises: DatasetError where files do not agree."""
    kinds = {isinstance(one.values, np.ndarray): one for one in columns if one.values is not None}
    if len(kinds) > 1:
        raise DatasetError(
            f"file {kinds[True].place} has numbers as labels and {kinds[False].place} names; write one kind"
        )
    if kinds and kinds.keys() == {False}:
        return _of_names(columns)
    named = [one for one in columns if one.values is not None and one.rows]
    for one in named:
        if one.names != named[0].names:
            raise DatasetError(f"files {named[0].place} and {one.place} name their classes otherwise; write them anew")
    numbers = [_missing(one.rows) if one.values is None else one.values for one in columns]
    names = named[0].names if named else ()
    return Labels(numbers, names, len(names) or 1 + max((int(one.max(initial=-1)) for one in numbers), default=-1))


def _missing(rows: int) -> NDArray[np.int64]:
    return np.full(rows, -1, dtype=np.int64)


def _of_names(columns: Sequence[Column]) -> Labels:
    import pyarrow as pa
    import pyarrow.compute as pc

    every = {name for one in columns if one.values is not None for name in one.values.unique().to_pylist()}
    names = sorted(every - {None})
    places = pa.array(names, pa.large_binary())
    numbers = [
        _missing(one.rows)
        if one.values is None
        else np.asarray(pc.index_in(one.values, value_set=places).fill_null(-1)).astype(np.int64)
        for one in columns
    ]
    return Labels(numbers, tuple(name.decode(errors="backslashreplace") for name in names), len(names))


def _numbers(column: Any, place: str, name: str) -> NDArray[np.int64]:
    """Numbers as (rows,), -1 where there is none."""
    import pyarrow as pa

    missing = np.asarray(column.is_null())
    if pa.types.is_null(column.type):
        return _missing(len(column))
    if pa.types.is_boolean(column.type):
        numbers = np.asarray(column.cast(pa.int8()).fill_null(-1))
    elif pa.types.is_floating(column.type):
        numbers = np.where(missing, -1.0, np.asarray(column.to_numpy(), dtype=np.float64))
        whole = (np.floor(numbers) == numbers) & (numbers >= -(2.0**63)) & (numbers < 2.0**63)
        _require(whole, numbers, place, name)
    else:
        numbers = np.asarray(column.fill_null(0))
        if column.type == pa.uint64():
            _require(numbers < 2**63, numbers, place, name)
    return np.where(missing, np.int64(-1), numbers.astype(np.int64))


def _require(usable: NDArray[np.bool_], numbers: NDArray[Any], place: str, name: str) -> None:
    if not usable.all():
        row = int(np.argmin(usable))
        raise DatasetError(
            f"file {place}: column '{name}' is {numbers[row]} in row {row}; it must hold whole numbers below 2^63, "
            f"with null where there is none"
        )
