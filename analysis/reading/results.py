"""A sweep's tables as pandas frames and as SQL: `runs`, `trajectories`, `fits`, `peaks`, `grid_law`.

Files that are being written have hidden names and are not seen. SQL runs in an in-memory DuckDB that knows
only these tables: no file or network access, and nothing it does reaches the store.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds
import pyarrow.parquet as pq
from upath import UPath

SCHEMA_VERSION = 1
WRITTEN = {"fits": "plot_scaling.py", "peaks": "plot_double_descent.py", "grid_law": "plot_grid_law.py"}  # and by what
TABLES = ("runs", "trajectories", *WRITTEN)
ATTEMPTS = 3  # to read a store that changes or has damaged files
NOT_VARIANT = ("P", "D", "K", "seed")  # the axes of the paper's figures, and the replicates


class ResultsError(Exception):
    """Results that cannot be read, or a query that cannot be answered; one sentence."""


class Results:
    """The tables of one sweep's folder. Use `open_results`."""

    def __init__(self, root: Any) -> None:
        self.root = root  # a Path, or for a URL the UPath that answers to the same names
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

    def fits(self) -> pd.DataFrame:
        """What analysis/plot_scaling.py fitted."""
        return self._written("fits")

    def peaks(self) -> pd.DataFrame:
        """What analysis/plot_double_descent.py found."""
        return self._written("peaks")

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
        connection = duckdb.connect(config={"enable_external_access": "false"})
        try:
            for name in TABLES:
                if self._files(name) or name in ("runs", "trajectories"):
                    connection.register(name, self._dataset(name))
            connection.execute("SET python_enable_replacements = false; SET lock_configuration = true")
            answer = connection.execute(query)
            if answer is None or not answer.description:
                raise ResultsError("the query is empty; try: SELECT P, D, percent_error FROM runs")
            frame: pd.DataFrame = answer.df()
            return frame
        finally:
            connection.close()

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
        files = self._files(name)
        if not files:  # a sweep that has not reached its first chunk
            return pds.dataset(pa.table({"run_id": pa.array([], pa.string()), "step": pa.array([], pa.int64())}))
        if isinstance(self.root, Path):
            return pds.dataset([str(file) for file in files], format="parquet")
        return pds.dataset([file.path for file in files], format="parquet", filesystem=self.root.fs)

    def _files(self, name: str) -> list[Any]:
        pattern = {"runs": "runs/*.parquet", "trajectories": "trajectories/*/*.parquet"}
        found = [file for file in self.root.glob(pattern.get(name, f"{name}.parquet")) if not file.name.startswith(".")]
        files = visible_chunks(found) if name == "trajectories" else sorted(found)
        return [file for file in files if str(file) not in self._damaged]


def visible_chunks(files: list[Path]) -> list[Path]:
    """Chunks RUN_ID/FIRST-LAST.parquet in order, without those that lie inside another of the same run, which
    compaction is about to delete."""
    visible: list[Path] = []
    spans = sorted(
        (file.parent.name, int(first), -int(last), file) for file in files for first, last in [file.stem.split("-")]
    )
    run, reached = "", -1
    for run_id, _, last, file in spans:
        if run_id != run or -last > reached:
            visible.append(file)
            run, reached = run_id, -last
    return visible


def at(place: str | Path) -> Any:
    """The path of a folder or URL; listings of a URL are never cached."""
    return UPath(str(place), use_listings_cache=False) if "://" in str(place) else Path(place)


def read_table(file: Any) -> pa.Table:
    """A parquet file, of this machine or at a URL."""
    return pq.read_table(file if isinstance(file, Path) else io.BytesIO(file.read_bytes()))


def write_file(path: Any, content: bytes) -> None:
    """Write a file, whole or not at all."""
    if not isinstance(path, Path):
        path.write_bytes(content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    temporary.rename(path)


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


def variants(specs: list[dict[str, Any]]) -> list[str]:
    """A label for each spec made of what differs among them beside P, D, K and seed: `mmcr` where nothing
    does, else such as `mmcr, optimizer.learning_rate=0.001`."""
    flat = [flatten({k: v for k, v in spec.items() if k not in NOT_VARIANT}) for spec in specs]
    keys = sorted({key for one in flat for key in one} - {"objective.name", "dataset.root", "dataset.path"})
    differing = [key for key in keys if len({json.dumps(one.get(key)) for one in flat}) > 1]
    return [", ".join([str(one["objective.name"]), *(f"{key}={one.get(key)}" for key in differing)]) for one in flat]


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} as {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
