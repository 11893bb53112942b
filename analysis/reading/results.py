"""A sweep's tables as pandas frames and as SQL: `runs`, `trajectories`, `measures`, `fits`, `peaks`, `grid_law`.

Files that are being written have hidden names and are not seen. SQL sees only these tables: see `sql_cage`.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, cast

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds

from analysis.reading import sql_cage
from analysis.reading.errors import ResultsError
from analysis.reading.variants import variants
from sweeps.storage.chunks import visible_chunks
from sweeps.storage.files_and_urls import at, file_system, is_local, read_table
from sweeps.storage.schema import MEASURE_SCHEMA, RUN_SCHEMA, SCHEMA_VERSION, TRAJECTORY_SCHEMA

WRITTEN = {"fits": "plot_scaling.py", "peaks": "plot_double_descent.py", "grid_law": "plot_grid_law.py"}  # and by what
SCHEMAS = {"runs": RUN_SCHEMA, "trajectories": TRAJECTORY_SCHEMA, "measures": MEASURE_SCHEMA}  # of the store's own
TABLES = (*SCHEMAS, *WRITTEN)
ATTEMPTS = 3  # to read a store that changes or has damaged files


class Results:
    """The tables of one sweep's folder. Use `open_results`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._damaged: set[str] = set()

    def runs(self) -> pd.DataFrame:
        """One row a run that has ended, with `variant`: what sets it apart beside P, D, K and seed."""
        runs = self.sql("SELECT * FROM runs")
        runs["variant"] = variants([json.loads(spec) for spec in runs["spec"]])
        return runs.sort_values(["variant", "K", "D", "P", "seed"], ignore_index=True)

    def trajectories(self, where: str | None = None) -> pd.DataFrame:
        """One row a step; `where` is an SQL condition such as "run_id = '…' and step >= 100"."""
        condition = f" WHERE {where}" if where else ""
        return self.sql(f"SELECT * FROM trajectories{condition} ORDER BY run_id, step")

    def measures(self) -> pd.DataFrame:
        """One row a number that was measured of a run: run_id, step, images, flops, name, subject, value, its 95 %
        interval low to high, and the count of batches or images behind it."""
        return self.sql("SELECT * FROM measures ORDER BY run_id, step, name, subject")

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
        """Answer of an SQL query over the tables. Raises ResultsError with DuckDB's reason."""
        for attempt in range(ATTEMPTS):
            try:
                return self._answer(query)
            except (pa.ArrowException, OSError, duckdb.Error, RuntimeError) as error:
                # A chunk that compaction has just merged is gone, a damaged one is not: look again without it.
                if attempt == ATTEMPTS - 1 or not self._leave_out_unreadable():
                    raise ResultsError(self._explained(str(error))) from error
        raise AssertionError("the last attempt returns or raises")

    def _answer(self, query: str) -> pd.DataFrame:
        there = [name for name in TABLES if self._files(name) or name in SCHEMAS]
        return sql_cage.answer(query, {name: self._dataset(name) for name in there})

    def _leave_out_unreadable(self) -> bool:
        """Name damaged files and read on without them. Whether there is now anything else to try."""
        known = len(self._damaged)
        gone = False
        for name in TABLES:
            for file in self._files(name):
                try:
                    read_table(file)
                except FileNotFoundError:
                    gone = True
                except (pa.ArrowException, OSError):
                    self._damaged.add(str(file))
                    print(
                        f"{file} is damaged and left out; see: python sweeps/store.py check {self.root}",
                        file=sys.stderr,
                    )
        return gone or len(self._damaged) > known

    def _explained(self, reason: str) -> str:
        reason = " ".join(reason.split("LINE ")[0].split())
        for name, script in WRITTEN.items():
            if re.search(rf"Table with name {name} ", reason):
                return f"there is no table {name} yet; run: python analysis/{script} {self.root}"
        return reason

    def _written(self, name: str) -> pd.DataFrame:
        if not self._files(name):
            raise ResultsError(f"{self.root} has no {name}.parquet; run: python analysis/{WRITTEN[name]} {self.root}")
        frame: pd.DataFrame = read_table(self.root / f"{name}.parquet").to_pandas()
        return frame

    def _dataset(self, name: str) -> pds.Dataset:
        files, schema = self._files(name), SCHEMAS.get(name)
        if not files:  # a sweep that has not reached its first chunk
            return pds.dataset(SCHEMAS[name].empty_table())
        if is_local(self.root):  # a column that a schema gained since is null in older files
            return pds.dataset([str(file) for file in files], format="parquet", schema=schema)
        paths = [cast(Any, file).path for file in files]
        return pds.dataset(paths, format="parquet", schema=schema, filesystem=file_system(self.root))

    def _files(self, name: str) -> list[Path]:
        pattern = {"runs": "runs/*.parquet"} | {kind: f"{kind}/*/*.parquet" for kind in ("trajectories", "measures")}
        found = [file for file in self.root.glob(pattern.get(name, f"{name}.parquet")) if not file.name.startswith(".")]
        files = visible_chunks(found) if name == "trajectories" else sorted(found)
        return [file for file in files if str(file) not in self._damaged]


def open_results(path: str | Path) -> Results:
    """The tables of a sweep's folder or URL, such as `results/quickstart` or `s3://bucket/results/NAME`.

    Raises: ResultsError where the folder is absent or holds no run that has ended.
    """
    root = at(path)
    if not root.is_dir():
        raise ResultsError(f"{root} is not a folder; give a sweep's folder, such as results/quickstart")
    if not any(not file.name.startswith(".") for file in root.glob("runs/*.parquet")):
        raise ResultsError(f"{root} holds no runs yet; launch a grid first: python sweeps/launch.py GRID")
    results = Results(root)
    newest = int(results.sql("SELECT max(schema_version) AS newest FROM runs")["newest"][0])
    if newest > SCHEMA_VERSION:
        raise ResultsError(f"{root} has schema_version {newest}; this code reads up to {SCHEMA_VERSION}: update it")
    return results
