"""A sweep's tables as pandas frames and as SQL: `runs`, `trajectories`, `fits`, `peaks`.

Files that are being written have hidden names and are not seen. SQL runs in an in-memory DuckDB that knows
only these tables: no file or network access, and nothing it does reaches the store.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds
import pyarrow.parquet as pq

NOT_VARIANT = ("P", "D", "K", "seed")  # the axes of the paper's figures, and the replicates


class ResultsError(Exception):
    """Results that cannot be read, or a query that cannot be answered; one sentence."""


class Results:
    """The tables of one sweep's folder. Use `open_results`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def runs(self) -> pd.DataFrame:
        """One row a run that has ended, with `variant`: what sets it apart beside P, D, K and seed."""
        runs: pd.DataFrame = self._dataset("runs").to_table().to_pandas()
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
        connection = duckdb.connect(config={"enable_external_access": "false"})
        for name in ("runs", "trajectories", "fits", "peaks"):
            if self._files(name) or name in ("runs", "trajectories"):
                connection.register(name, self._dataset(name))
        connection.execute("SET python_enable_replacements = false; SET lock_configuration = true")
        try:
            answer = connection.execute(query)
            if answer is None or not answer.description:
                raise ResultsError("the query is empty; try: SELECT P, D, percent_error FROM runs")
            frame: pd.DataFrame = answer.df()
            return frame
        except (duckdb.Error, RuntimeError) as error:
            raise ResultsError(self._explained(str(error))) from error
        finally:
            connection.close()

    def _explained(self, reason: str) -> str:
        reason = " ".join(reason.split("LINE ")[0].split())
        for name, script in (("fits", "plot_scaling.py"), ("peaks", "plot_double_descent.py")):
            if re.search(rf"Table with name {name} ", reason):
                return f"there is no table {name} yet; run: python analysis/{script} {self.root}"
        return reason

    def _written(self, name: str) -> pd.DataFrame:
        if not self._files(name):
            script = {"fits": "plot_scaling.py", "peaks": "plot_double_descent.py"}[name]
            raise ResultsError(f"{self.root} has no {name}.parquet; run: python analysis/{script} {self.root}")
        frame: pd.DataFrame = pq.read_table(self.root / f"{name}.parquet").to_pandas()
        return frame

    def _dataset(self, name: str) -> pds.Dataset:
        files = self._files(name)
        if not files:  # a sweep that has not reached its first chunk
            return pds.dataset(pa.table({"run_id": pa.array([], pa.string()), "step": pa.array([], pa.int64())}))
        try:
            return pds.dataset(files, format="parquet")
        except (pa.ArrowException, OSError) as error:
            raise ResultsError(f"a file of table {name} is damaged: {error}") from error

    def _files(self, name: str) -> list[str]:
        pattern = {"runs": "runs/*.parquet", "trajectories": "trajectories/*/*.parquet"}
        found = self.root.glob(pattern.get(name, f"{name}.parquet"))
        return sorted(str(file) for file in found if not file.name.startswith("."))


def open_results(path: str | Path) -> Results:
    """The tables of a sweep's folder, such as `results/quickstart`.

    Raises: ResultsError where the folder is absent or holds no run that has ended.
    """
    root = Path(path)
    if not root.is_dir():
        raise ResultsError(f"{root} is not a folder; give a sweep's folder, such as results/quickstart")
    if not any(not file.name.startswith(".") for file in root.glob("runs/*.parquet")):
        raise ResultsError(f"{root} holds no runs yet; launch a grid first: python sweeps/launch.py GRID")
    return Results(root)


def variants(specs: list[dict[str, Any]]) -> list[str]:
    """A label for each spec made of what differs among them beside P, D, K and seed: `mmcr` where nothing
    does, else such as `mmcr, optimizer.learning_rate=0.001`."""
    flat = [_flatten({k: v for k, v in spec.items() if k not in NOT_VARIANT}) for spec in specs]
    keys = sorted({key for one in flat for key in one} - {"objective.name", "dataset.root", "dataset.path"})
    differing = [key for key in keys if len({json.dumps(one.get(key)) for one in flat}) > 1]
    return [", ".join([str(one["objective.name"]), *(f"{key}={one.get(key)}" for key in differing)]) for one in flat]


def _flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
