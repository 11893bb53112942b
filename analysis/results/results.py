"""Sweeps' tables as pandas frames and as SQL: `runs`, `trajectories`, `measures`, `fits`, `peaks`, `joint_law`.

`runs` has a column for each setting that the sweeps vary, such as "optimizer.learning_rate". Of several sweeps each
table is the union, distinguished by its column `sweep`. The same cell of two sweeps has the same
run_id, so that tables are joined USING (sweep, run_id). SQL sees only these tables: see `sandboxed_sql`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Self, TypeVar

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds

from analysis.results import legacy_names, sandboxed_sql
from analysis.results.best_hyperparameter import Best, best_over
from analysis.results.errors import ResultsError
from analysis.results.query_columns import columns_needed, settings_written, unquoted_columns
from analysis.results.setting_columns import setting_columns
from analysis.results.sweep_folder import ATTEMPTS, TABLES, WRITTEN, SweepFolder, sweep_folders
from analysis.results.variant_labels import flatten, variants
from sweeps.storage.packing.packed import SCHEMAS

T = TypeVar("T")
SETTINGS = "<swept settings>"  # among the columns of runs: those of the settings, which are found in the specs


class Results:
    """The tables of one sweep's folder, or of several. Use `open_results`."""

    def __init__(self, folders: list[SweepFolder], best_over: str | None = None) -> None:
        self._folders, self._best_over = folders, best_over
        self._read: dict[str, pd.DataFrame] | None = None  # of a snapshot

    @property
    def root(self) -> Path:
        """The folder or URL of the sweep. Raises ResultsError where there are several."""
        return self.require_single_sweep()._folders[0].root

    def best_over(self, key: str | None) -> Self:
        """The same, of runs that differ in a swept setting such as `optimizer.learning_rate` only those with the value
        with the lowest final error in each cell, in `runs` and all that is made of it; SQL sees all. None: as it is.
        Raises ResultsError, with those that vary, for a setting that does not."""
        chosen = type(self)(self._folders, key)
        if key is not None:
            chosen.require_best()
        return chosen

    def snapshot(self) -> Self:
        """The same, with `runs` and `measures` read once, so that all that is made of them is of one moment."""
        same = type(self)(self._folders, self._best_over)
        same._read = {}
        same._refresh()
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
    def best(self) -> Best | None:
        """Which value of the setting of `best_over` won in each cell, and how sure that is; None without it. Raises
        ResultsError for a setting that does not vary."""
        return None if self._best_over is None else self.require_best()

    def require_best(self) -> Best:
        """The same. Raises ResultsError without a setting too."""
        if self._best_over is None:
            raise ResultsError("no setting was chosen; call best_over(KEY) first")
        return best_over(self._every_run(), self._best_over)

    @property
    def damaged(self) -> bool:
        """Whether files were found to be damaged and left out so far."""
        return any(folder.damaged for folder in self._folders)

    def require_single_sweep(self) -> Self:
        """The same, for what is done for one sweep at a time. Raises ResultsError where there are several."""
        if len(self._folders) > 1:
            names = ", ".join(str(folder.root) for folder in self._folders)
            raise ResultsError(f"this is done for one sweep at a time; open one of {names}")
        return self

    def runs(self) -> pd.DataFrame:
        """One row per run that has ended, with a column for each swept setting, named as in the grid, and `variant`:
        what sets it apart beside P, D, K and seed."""
        runs = best.runs if (best := self.best) else self._every_run()
        return runs.sort_values(["variant", "K", "D", "P", "seed", "sweep"], ignore_index=True)

    def _every_run(self) -> pd.DataFrame:
        def read() -> pd.DataFrame:
            runs = self.sql("SELECT * FROM runs")
            planned = {spec for folder in self._folders for spec in folder.planned_specs()} - {*runs["spec"]}
            specs, others = ([json.loads(spec) for spec in part] for part in (runs["spec"], sorted(planned)))
            return runs.assign(variant=variants(specs, planned=others))

        return self._once("runs", read)

    def trajectories(self, where: str | None = None) -> pd.DataFrame:
        """One row per step; `where` is an SQL condition such as "run_id = '…' and step >= 100"."""
        condition = f" WHERE {where}" if where else ""
        return self.sql(f"SELECT * FROM trajectories{condition} ORDER BY sweep, run_id, step")

    def measures(self) -> pd.DataFrame:
        """One row a number that was measured of a run: run_id, step, images, flops, name, subject, value, its 95%
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
        query = (
            'SELECT table_name AS "table", column_name AS "column", data_type AS "type" '
            "FROM information_schema.columns ORDER BY table_name, ordinal_position"
        )
        return self._reading(lambda: sandboxed_sql.answer(query, self._empty(self._every_column())))

    def sql(self, query: str) -> pd.DataFrame:
        """Answer of an SQL query over the tables; a table that only some of the sweeps have is noted on stderr.
        Raises ResultsError with DuckDB's reason."""
        needed = self._reading(lambda: columns_needed(query, self._every_column(query)))
        frame = self._reading(lambda: self._answer(query, needed), query)
        self._note_absent(query)
        return frame

    def _answer(self, query: str, needed: Mapping[str, Sequence[str]]) -> pd.DataFrame:
        """Of a query that needs no more than these columns of these tables. Where DuckDB misses any, it is asked again
        with all columns and no rows, so that what it says is right, and if that will do with all of them."""
        try:
            return sandboxed_sql.answer(query, self._tables(needed))
        except (duckdb.BinderException, duckdb.CatalogException):
            every = self._every_column(query)
            empty = self._empty(every)
            try:
                sandboxed_sql.answer(query, empty)
            except duckdb.BinderException as error:
                names = list(dict.fromkeys(name for table in empty.values() for name in table.schema.names))
                if meant := unquoted_columns(query, names):
                    written, columns = next(iter(meant.items()))
                    quoted = " or ".join(f'"{name}"' for name in columns)
                    raise ResultsError(
                        f"column names with a dot need double quotes; in place of {written} write {quoted}"
                    ) from error
                self._refuse_settings(query, names)
                raise
            return sandboxed_sql.answer(query, self._tables(every))

    def _refuse_settings(self, query: str, columns: Sequence[str]) -> None:
        """Raises ResultsError where a query has settings that are no columns."""
        texts = {spec for folder in self._folders for spec in folder.runs(["spec"])["spec"].to_pylist()}
        specs = [json.loads(text) for text in texts]
        settings = {key for spec in specs for key in flatten(spec) if "." in key} - {*columns}
        for name in settings_written(query, sorted(settings)):
            if (short := name.removesuffix(".name")) in columns:
                raise ResultsError(f"{name} is the column {short}")
            parts = {key for spec in specs for key in spec}
            there = ", ".join(f'"{key}"' if "." in key else key for key in columns if "." in key or key in parts)
            raise ResultsError(
                f"{name} is not swept here and no column; those of settings are {there}; read it as spec->>'$.{name}'"
            )

    def _tables(self, needed: Mapping[str, Sequence[str]]) -> dict[str, pds.Dataset]:
        """All tables, with rows where columns are needed. Rows of runs are checked."""
        found = {name: self._dataset(legacy_names.TODAY.get(name, name), columns) for name, columns in needed.items()}
        for folder in self._folders if "runs" not in found else ():
            folder.check_runs()
        others = self._empty({table: [] for table in TABLES if table not in found})
        return others | {name: dataset for name, dataset in found.items() if dataset is not None}

    def _empty(self, names: Mapping[str, Sequence[str]]) -> dict[str, pds.Dataset]:
        """Tables without rows, `runs` with the columns of settings where they are among those that are named."""
        schemas = {name: self._schema(legacy_names.TODAY.get(name, name)) for name in names}
        if SETTINGS in names.get("runs", ()) and (runs := self._dataset("runs")) is not None:
            schemas["runs"] = runs.schema
        return {name: pds.dataset(schema.empty_table()) for name, schema in schemas.items() if schema is not None}

    def _every_column(self, query: str = "") -> dict[str, list[str]]:
        """Of each table, also under an older name by which `query` calls it."""
        schemas = {table: self._schema(table) for table in TABLES}
        columns = {table: list(schema.names) for table, schema in schemas.items() if schema is not None}
        columns["runs"].append(SETTINGS)
        older = {old: new for old, new in legacy_names.TODAY.items() if new in columns and _mentions(query, old)}
        return columns | {old: columns[new] for old, new in older.items()}

    def trajectories_of(self, runs: Set[str], columns: Sequence[str]) -> Iterator[tuple[str, pa.Table]]:
        """Each of these runs of one sweep that has a trajectory, with columns of all its steps, in no order of runs:
        what reads many runs whole, in memory one at a time."""
        (folder,) = self.require_single_sweep()._folders
        return folder.trajectories(runs, columns)

    def _written(self, table: str) -> pd.DataFrame:
        dataset = self._reading(lambda: self._dataset(table))
        if dataset is None:
            root = self._folders[0].root
            raise ResultsError(f"{root} has no {table}.parquet; run: python analysis/{WRITTEN[table]} {root}")
        self._note_absent(table)
        frame: pd.DataFrame = self._reading(dataset.to_table).to_pandas()
        return frame

    def check(self) -> Self:
        """Leave out rows of runs that are damaged. Raises ResultsError where none is left, or for newer schemas."""
        for folder in self._folders:
            self._reading(folder.runs)
        return self

    def _reading(self, read: Callable[[], T], query: str = "") -> T:
        for attempt in range(ATTEMPTS):
            if self._read is None and attempt == 0:
                self._refresh()
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

    def _refresh(self) -> None:
        for folder in self._folders:
            folder.refresh()

    def _schema(self, table: str) -> pa.Schema | None:
        """The columns of a table over the sweeps; None where none of them has it."""
        schemas = [schema for folder in self._folders if (schema := folder.schema(table)) is not None]
        if not schemas:
            return None
        return schemas[0] if table in SCHEMAS else _last("sweep", pa.unify_schemas(schemas, **WIDEST))

    def _dataset(self, table: str, needed: Sequence[str] | None = None) -> pds.Dataset | None:
        """The union of a table over the sweeps, with all columns or those that are needed; None where none of the
        sweeps has it."""
        columns = self._schema(table)
        if columns is None:
            return None
        if needed is not None and table in SCHEMAS:  # `run_id` so that there is one
            columns = pa.schema([field for field in columns if field.name in ("run_id", *needed)])
        parts = [folder.dataset(table, columns) for folder in self._folders if table == "runs" or folder.holds(table)]
        if not parts:  # sweeps that have not reached their first chunk
            return pds.dataset(columns.empty_table())
        found = parts[0] if len(parts) == 1 else pds.UnionDataset(columns, parts)
        return self._with_settings(found) if table == "runs" and (needed is None or SETTINGS in needed) else found

    def _with_settings(self, runs: pds.Dataset) -> pds.Dataset:
        table = runs.to_table()
        planned = [spec for folder in self._folders for spec in folder.planned_specs()]
        settings = setting_columns(table["spec"].to_pylist(), planned, table.column_names)
        for name in settings.column_names:
            table = table.append_column(name, settings[name])
        return pds.dataset(table)

    def _note_absent(self, query: str) -> None:
        for table in TABLES if len(self._folders) > 1 else ():
            if any(_mentions(query, name) for name in legacy_names.stems(table)):
                without = [str(folder.root) for folder in self._folders if not folder.holds(table)]
                remedy = f"; run: python analysis/{WRITTEN[table]} RESULTS" if table in WRITTEN else ""
                if without:
                    print(f"note: there is no table {table} yet in {', '.join(without)}{remedy}", file=sys.stderr)

    def _explained(self, reason: str, query: str = "") -> str:
        reason = " ".join(reason.split("LINE ")[0].split())
        if "Parser Error" in reason and re.search(r"\boffset\b", query, re.IGNORECASE):
            reason += ' (the column offset is also a word of SQL: write "offset" in double quotes)'
        for table, script in WRITTEN.items():
            if any(_mentions(reason, f"Table with name {name}") for name in legacy_names.stems(table)):
                return f"there is no table {table} yet; run: python analysis/{script} {self._folders[0].root}"
        if "Table with name" in reason:
            reason += f" There are {', '.join(sorted(self._every_column()))}"
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
