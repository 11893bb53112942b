"""Frozen dataclasses of numbers and arrays, such as fits with their bootstrap replicates, as a row of a parquet file.

The structure is JSON, in which an array stands as its place in one list of doubles. Only classes that the reader names
are made, so that a file from elsewhere can do nothing but hold numbers.
"""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa


def pack(value: Any) -> pa.Table:
    """One row: `structure`, and `numbers`. An object that is met twice is written once.

    Raises: TypeError for what is neither plain, an array of numbers or truths, a frame, an enum nor a dataclass.
    """
    packer = _Packer()
    structure = json.dumps(packer.plain(value))
    numbers = np.concatenate(packer.arrays) if packer.arrays else np.zeros(0)
    column = pa.array([numbers], pa.list_(pa.float64()))
    return pa.table({"structure": [structure], "numbers": column})


def unpack(table: pa.Table, classes: Iterable[type]) -> Any:
    """The value of a row that `pack` made; `classes`: the dataclasses, named tuples and enums that it may hold."""
    numbers = table["numbers"].combine_chunks().values.to_numpy()
    return _Unpacker(numbers, {one.__name__: one for one in classes}).value(json.loads(table["structure"][0].as_py()))


class _Packer:
    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []
        self._length = 0
        self._seen: dict[int, tuple[int, Any]] = {}  # and the value itself, so that no other gets its id

    def plain(self, value: Any) -> Any:
        if isinstance(value, enum.Enum):
            return {"enum": type(value).__name__, "value": value.value}
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, np.bool_ | int | float | np.integer | np.floating):
            return value.item() if isinstance(value, np.generic) else value
        if id(value) in self._seen:
            return {"again": self._seen[id(value)][0]}
        made = self._made(value)
        self._seen[id(value)] = (len(self._seen), value)
        return made | {"number": self._seen[id(value)][0]}

    def _made(self, value: Any) -> dict[str, Any]:
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
            first, self._length = self._length, self._length + value.size
            self.arrays.append(value.ravel().astype(float))
            return {"array": [first, *value.shape], "dtype": value.dtype.str}
        if isinstance(value, pd.DataFrame):
            columns = [[str(name), self._column(value[name])] for name in value.columns]
            return {"frame": columns, "index": self._column(value.index.to_series())}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {field.name: self.plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
            return {"class": type(value).__name__, "fields": fields}
        if isinstance(value, tuple) and hasattr(value, "_asdict"):
            return {"class": type(value).__name__, "fields": {k: self.plain(v) for k, v in value._asdict().items()}}
        if isinstance(value, dict):
            return {"dict": [[self.plain(key), self.plain(item)] for key, item in value.items()]}
        for kind in (list, tuple, frozenset):
            if isinstance(value, kind):
                items = sorted(value, key=repr) if kind is frozenset else value
                return {kind.__name__: [self.plain(item) for item in items]}
        raise TypeError(f"{type(value).__name__} has no plain form")

    def _column(self, column: pd.Series) -> Any:
        if column.dtype.kind in "fiub":
            return self.plain(column.to_numpy())
        return {"texts": [None if item is None or item is pd.NA or item != item else str(item) for item in column]}


class _Unpacker:
    def __init__(self, numbers: np.ndarray, classes: dict[str, type]) -> None:
        self._numbers, self._classes = numbers, classes
        self._seen: dict[int, Any] = {}

    def value(self, plain: Any) -> Any:
        if not isinstance(plain, dict):
            return plain
        if "again" in plain:
            return self._seen[plain["again"]]
        made = self._made(plain)
        if "number" in plain:
            self._seen[plain["number"]] = made
        return made

    def _made(self, plain: dict[str, Any]) -> Any:
        if "array" in plain:
            first, *shape = plain["array"]
            part = self._numbers[first : first + int(np.prod(shape, dtype=int))]
            return part.astype(plain["dtype"]).reshape(shape)
        if "texts" in plain:
            return plain["texts"]
        if "frame" in plain:
            return pd.DataFrame(
                {name: self.value(column) for name, column in plain["frame"]}, index=self.value(plain["index"])
            )
        if "class" in plain:
            fields = {name: self.value(field) for name, field in plain["fields"].items()}
            return self._classes[plain["class"]](**fields)
        if "enum" in plain:
            return self._classes[plain["enum"]](plain["value"])
        if "dict" in plain:
            return {self.value(key): self.value(item) for key, item in plain["dict"]}
        for kind in (list, tuple, frozenset):
            if kind.__name__ in plain:
                return kind(self.value(item) for item in plain[kind.__name__])
        raise ValueError(f"unknown form {sorted(plain)}")
