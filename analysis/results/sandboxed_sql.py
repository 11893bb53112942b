"""SQL over given tables and nothing else: an in-memory DuckDB without files, network or Python's variables.

The configuration is locked before the query is seen, so that no query can leave the sandbox, and nothing that one does
outlives it.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any
from uuid import UUID

import duckdb
import numpy as np
import pandas as pd
import pyarrow.dataset as pds

from analysis.results.errors import ResultsError

KINDS = duckdb.StatementType
CHANGES = {KINDS.INSERT, KINDS.UPDATE, KINDS.DELETE, KINDS.CREATE, KINDS.ALTER, KINDS.DROP, KINDS.MERGE_INTO}


def answer(query: str, tables: Mapping[str, pds.Dataset]) -> pd.DataFrame:
    """Answer of an SQL query over `tables`, by their names; bytes and UUIDs are texts. Raises duckdb.Error, and
    ResultsError for no query, for several and for one that only changes something."""
    connection = duckdb.connect(config={"enable_external_access": "false"})
    try:
        for name, table in tables.items():
            # Of a table DuckDB knows the size: else a join may hash the larger side, all steps of all runs.
            connection.register(name, table.to_table() if isinstance(table, pds.InMemoryDataset) else table)
        connection.execute("SET python_enable_replacements = false; SET lock_configuration = true")
        query = query.encode(errors="surrogateescape").decode()  # also of a locale that is not UTF-8
        kinds = [statement.type for statement in connection.extract_statements(query)]
        if not kinds:
            raise ResultsError("the query is empty; try: SELECT P, D, percent_error FROM runs")
        if kinds.count(duckdb.StatementType.SELECT) > 1:
            raise ResultsError("one SELECT can be answered at a time; join them, by UNION ALL or WITH")
        if kinds[-1] in CHANGES:
            raise ResultsError(f"{kinds[-1].name} changes nothing here, where tables are only read; end with a SELECT")
        with _interruptible(connection):
            frame: pd.DataFrame = connection.execute(query).df()
        for name in [name for name in frame if pd.api.types.is_object_dtype(frame[name])]:
            frame[name] = frame[name].map(_as_text)
        return frame
    except UnicodeError as error:
        raise ResultsError("the query is not UTF-8") from error
    finally:
        connection.close()


@contextlib.contextmanager
def _interruptible(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Within, what would raise KeyboardInterrupt ends the query; DuckDB itself has a RuntimeError in its place."""
    heard = []

    def stop(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        connection.interrupt()

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    here = threading.current_thread() is threading.main_thread()
    handled = {number: handler for number, handler in before.items() if here and callable(handler)}
    for number in handled:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
        if heard:
            raise KeyboardInterrupt


def _as_text(value: Any) -> Any:
    """A value with texts in the place of bytes and UUIDs, and Python's numbers in that of numpy's, as JSON, CSV and a
    terminal have them."""
    if isinstance(value, dict):
        return {key: _as_text(one) for key, one in value.items()}
    if isinstance(value, list | np.ndarray):
        return [_as_text(one) for one in (value.tolist() if isinstance(value, np.ndarray) else value)]
    if isinstance(value, bytes | bytearray):
        return value.decode(errors="backslashreplace")
    return str(value) if isinstance(value, UUID) else value
