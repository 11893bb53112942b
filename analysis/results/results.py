"""Sweeps' tables as pandas frames and as SQL: `runs`, `trajectories`, `measures`, `fits`, `peaks`, `joint_law`.

Of several sweeps each table is the union, distinguished by its column `sweep`. The same cell of two sweeps has the same
run_id, so that tables are joined USING (sweep, run_id). SQL sees only these tables: see `sandboxed_sql`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds

from analysis.results import old_names, sandboxed_sql
from analysis.results.best_hyperparameter import best_over
from analysis.results.errors import ResultsError
from analysis.results.sweep_folder import SCHEMAS, TABLES, WRITTEN, SweepFolder, sweep_folders
from analysis.results.variant_labels import variants

ATTEMPTS = 3  # to read a store that changes or has damaged files
T = TypeVar("T")


class Results:
    """The tables of one sweep's folder, or of several. Use `open_results`."""

    def __init__(self, folders: list[SweepFolder], best_over: str | None = None) -> None:
        self._folders, self._best_over = folders, best_over
        self._read: dict[str, pd.DataFrame] | None = None  # of a snapshot

    @property
    def root(self) -> Path:
        """The folder or URL of the sweep. Raises ResultsError where there are several."""
        return self.require_single_sweep()._folders[0].root

    def best_over(self, key: str | None) -> Results:
        """The same, of runs that differ in a swept setting such as `optimizer.learning_rate` only those with the value
        with the lowest final error in each cell, in `runs` and all that is made of it; SQL sees all. None: as it is."""
        return Results(self._folders, key)

    def snapshot(self) -> Results:
        """The same, with `runs` and `measures` read once, so that all that is made of them is of one moment."""
        same = Results(self._folders, self._best_over)
        same._read = {}
        return same

    def _once(self, name: str, read: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        if self._read is None:
            return read()
        if name not in self._read:
            self._read[name] = read()
        return self._read[name].copy()

    @property
    def collapsed_settings(self) -> tuple[str, ...]:
        """Settings that `variant` does not tell apart, since one value of each was taken."""
        return () if self._best_over is None else (self._best_over,)

    @property
    def remark(self) -> str:
        """What was left out of `runs` by `best_over`, in a sentence; empty without it."""
        return "" if self._best_over is None else best_over(self._every_run(), self._best_over)[1]

    @property
    def damaged(self) -> bool:
        """Whether files were found to be damaged and left out so far."""
        return any(folder.damaged for folder in self._folders)

    def require_single_sweep(self) -> Results:
        """The same, for what is done for one sweep at a time. Raises ResultsError where there are several."""
        if len(self._folders) > 1:
            names = ", ".join(str(folder.root) for folder in self._folders)
            raise ResultsError(f"this is done for one sweep at a time; open one of {names}")
        return self

    def runs(self) -> pd.DataFrame:
        """One row per run that has ended, with `variant`: what sets it apart beside P, D, K and seed."""
        runs = self._every_run()
        if self._best_over is not None:
            runs, _ = best_over(runs, self._best_over)
        return runs.sort_values(["variant", "K", "D", "P", "seed", "sweep"], ignore_index=True)

    def _every_run(self) -> pd.DataFrame:
        runs = self._once("runs", lambda: self.sql("SELECT * FROM runs"))
        return runs.assign(variant=variants([json.loads(spec) for spec in runs["spec"]]))

    def trajectories(self, where: str | None = None) -> pd.DataFrame:
        """One row per step; `where` is an SQL condition such as "run_id = '…' and step >= 100"."""
        condition = f" WHERE {where}" if where else ""
        return self.sql(f"SELECT * FROM trajectories{condition} ORDER BY sweep, run_id, step")

    def measures(self) -> pd.DataFrame:
        """One row a number that was measured of a run: run_id, step, images, flops, name, subject, value, its 95 %
        interval low to high, the count of batches or images behind it, and sweep."""
        query = "SELECT * FROM measures ORDER BY sweep, run_id, step, name, subject"
        return self._once("measures", lambda: self.sql(query))

    def fits(self) -> pd.DataFrame:
        """What analysis/plot_scaling.py fitted."""
        return self._written("fits")

    def peaks(self) -> pd.DataFrame:
        """What analysis/plot_double_descent.py found."""
        return self._written("peaks")

    def columns(self) -> pd.DataFrame:
        """Columns of the tables that there are: table, column, type."""
        return self.sql(
            'SELECT table_name AS "table", column_name AS "column", data_type AS "type" '
            "FROM information_schema.columns ORDER BY table_name, ordinal_position"
        )

    def sql(self, query: str) -> pd.DataFrame:
        """Answer of an SQL query over the tables; a table that only some of the sweeps have is noted on stderr.
        Raises ResultsError with DuckDB's reason."""
        frame = self._reading(lambda: sandboxed_sql.answer(query, self._named_in(query)), query)
        self._note_absent(query)
        return frame

    def _named_in(self, query: str) -> dict[str, pds.Dataset]:
        """All tables, and those that a query calls by an older name under that name too."""
        tables = self._datasets()
        before = {old: new for old, new in old_names.TODAY.items() if new in tables and _mentions(query, old)}
        return tables | {old: tables[new] for old, new in before.items()}

    def _written(self, table: str) -> pd.DataFrame:
        dataset = self._reading(self._datasets).get(table)
        if dataset is None:
            root = self._folders[0].root
            raise ResultsError(f"{root} has no {table}.parquet; run: python analysis/{WRITTEN[table]} {root}")
        self._note_absent(table)
        frame: pd.DataFrame = self._reading(dataset.to_table).to_pandas()
        return frame

    def check(self) -> Results:
        """Leave out rows of runs that are damaged. Raises ResultsError where none is left, or for newer schemas."""
        for folder in self._folders:
            self._reading(folder.check_rows)
        return self

    def _reading(self, read: Callable[[], T], query: str = "") -> T:
        for attempt in range(ATTEMPTS):
            try:
                return read()
            except (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException) as error:
                raise ResultsError(self._explained(str(error), query)) from error
            except (MemoryError, duckdb.OutOfMemoryException) as error:
                raise ResultsError("the answer does not fit into memory; ask for less, or group and LIMIT") from error
            except (pa.ArrowException, OSError, duckdb.Error, RuntimeError) as error:
                # A chunk that compaction has just merged is gone, a damaged one is not: look again without it.
                another = [folder.leave_out_unreadable() for folder in self._folders]
                if attempt == ATTEMPTS - 1 or not any(another):
                    raise ResultsError(self._explained(str(error), query)) from error
        raise AssertionError("the last attempt returns or raises")

    def _datasets(self) -> dict[str, pds.Dataset]:
        return {table: found for table in TABLES if (found := self._dataset(table)) is not None}

    def _dataset(self, table: str) -> pds.Dataset | None:
        """The union of a table over the sweeps; None where none of them has it."""
        schemas = [schema for folder in self._folders if (schema := folder.schema(table)) is not None]
        if not schemas:
            return None
        columns = schemas[0] if table in SCHEMAS else _last("sweep", pa.unify_schemas(schemas, **WIDEST))
        parts = [folder.dataset(table, columns) for folder in self._folders if folder.files(table)]
        if not parts:  # sweeps that have not reached their first chunk
            return pds.dataset(columns.empty_table())
        return parts[0] if len(parts) == 1 else pds.UnionDataset(columns, parts)

    def _note_absent(self, query: str) -> None:
        for table in TABLES if len(self._folders) > 1 else ():
            if any(_mentions(query, name) for name in old_names.stems(table)):
                without = [str(folder.root) for folder in self._folders if not folder.files(table)]
                remedy = f"; run: python analysis/{WRITTEN[table]} RESULTS" if table in WRITTEN else ""
                if without:
                    print(f"note: there is no table {table} yet in {', '.join(without)}{remedy}", file=sys.stderr)

    def _explained(self, reason: str, query: str = "") -> str:
        reason = " ".join(reason.split("LINE ")[0].split())
        if "Parser Error" in reason and re.search(r"\boffset\b", query, re.IGNORECASE):
            reason += ' (the column offset is also a word of SQL: write "offset" in double quotes)'
        for table, script in WRITTEN.items():
            if any(_mentions(reason, f"Table with name {name}") for name in old_names.stems(table)):
                return f"there is no table {table} yet; run: python analysis/{script} {self._folders[0].root}"
        return reason


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"\b{name}\b", text, re.IGNORECASE) is not None


WIDEST = {"promote_options": "permissive"}  # a column that one sweep has as whole numbers and another as fractions


def _last(name: str, columns: pa.Schema) -> pa.Schema:
    """Columns with one of them moved to the end."""
    return pa.schema([*(field for field in columns if field.name != name), columns.field(name)])


def open_results(place: str | Path, *others: str | Path) -> Results:
    """The tables of a sweep's folder or URL, such as `results/quickstart` or `s3://bucket/results/NAME`, or of
    several together.

    Raises: ResultsError where a folder is absent, holds no run that has ended, or is given twice.
    """
    return Results(sweep_folders([place, *others])).check()
