"""What is computed of one sweep's results, read from its folder where an earlier process kept it, see `KeptFiles`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TypeVar

import pandas as pd
import pyarrow as pa

from analysis.results.analysis_cache import KeptFiles, content_digest, to_table
from analysis.results.results import Results
from analysis.results.serialization import pack, unpack

T = TypeVar("T")


class KeptAnalysis:
    """Tables and values of one sweep by name and options; `options` say which of several of one name.

    Args: results: of one sweep; classes: of the objects that values consist of.
    """

    def __init__(self, results: Results, classes: Iterable[type]) -> None:
        self._results, self._classes = results, tuple(classes)

    @cached_property
    def files(self) -> KeptFiles:
        """The files of the sweep's folder that belong to the content of the store."""
        return KeptFiles(self._results.root, content_digest(self._results))

    def table(self, name: str, compute: Callable[[], pd.DataFrame], **options: str) -> pd.DataFrame:
        """A table that is kept in a file of this name, read from there or computed."""
        frame: pd.DataFrame = self._read_or(name, lambda: to_table(compute()), options).to_pandas()
        return frame

    def value(self, name: str, compute: Callable[[], T], **options: str) -> T:
        """The same of what is no table; read by those that ask for it."""
        found: T = unpack(self._read_or(name, lambda: pack(compute()), options), self._classes)
        return found

    def write(self, name: str, frame: pd.DataFrame, **options: str) -> None:
        """Make NAME.parquet in the sweep's folder this table, whatever it held."""
        if self.files.read(name, self.all_options(options)) is None:
            self.files.write(name, to_table(frame), self.all_options(options))

    def all_options(self, options: dict[str, str] | None = None) -> dict[str, str]:
        """What is kept with a file beside the digest: `options` and the settings whose best values were chosen."""
        return (options or {}) | {"best_over": ", ".join(self._results.collapsed_settings)}

    def _read_or(self, name: str, compute: Callable[[], pa.Table], options: dict[str, str]) -> pa.Table:
        found = self.files.read(name, self.all_options(options))
        if found is None:
            found = compute()
            if not self._results.damaged:  # else what is whole again tomorrow would go on missing
                self.files.keep(name, found, self.all_options(options))
        return found
