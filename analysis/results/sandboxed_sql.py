"""SQL over given tables and nothing else: an in-memory DuckDB without files, network or Python's variables.

The configuration is locked before the query is seen, so that no query can leave the sandbox, and nothing that one does
outlives it.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pandas as pd
import pyarrow.dataset as pds

from analysis.results.errors import ResultsError


def answer(query: str, tables: Mapping[str, pds.Dataset]) -> pd.DataFrame:
    """Answer of an SQL query over `tables`, by their names. Raises duckdb.Error, and ResultsError for no query and for
    several."""
    connection = duckdb.connect(config={"enable_external_access": "false"})
    try:
        for name, table in tables.items():
            # Of a table DuckDB knows the size: else a join may hash the larger side, all steps of all runs.
            connection.register(name, table.to_table() if isinstance(table, pds.InMemoryDataset) else table)
        connection.execute("SET python_enable_replacements = false; SET lock_configuration = true")
        query = query.encode(errors="surrogateescape").decode()  # also of a locale that is not UTF-8
        kinds = [statement.type for statement in connection.extract_statements(query)]
        if kinds.count(duckdb.StatementType.SELECT) > 1:
            raise ResultsError("one SELECT can be answered at a time; join them, by UNION ALL or WITH")
        answered = connection.execute(query)
        if answered is None or not answered.description:
            raise ResultsError("the query is empty; try: SELECT P, D, percent_error FROM runs")
        frame: pd.DataFrame = answered.df()
        return frame
    except UnicodeError as error:
        raise ResultsError("the query is not UTF-8") from error
    finally:
        connection.close()
