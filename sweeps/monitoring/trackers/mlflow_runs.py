"""MLflow: the run with the tag `mmcr.run_id`, in the experiment of the sweep's name unless MLFLOW_EXPERIMENT_NAME says
otherwise, on the server of MLFLOW_TRACKING_URI, or else in a SQLite file in the sweep's folder."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmcr_core.config.run_id import canonical_json, identity
from mmcr_core.training import Chunk
from sweeps.cli.formatting import counted
from sweeps.monitoring.trackers.choice import URI
from sweeps.monitoring.trackers.tracker import TrackedRun, final_numbers
from sweeps.storage.run_status import RunStatus

TAG = "mmcr.run_id"
METRICS_A_CALL, PARAMS_A_CALL = 1000, 100  # MLflow's limits
_REMEDY = f"move it away to begin a new one, or set {URI}"
ENDINGS = {RunStatus.FINISHED: "FINISHED", RunStatus.FAILED: "FAILED", RunStatus.DIVERGED: "FAILED"}


class MlflowTracker:
    """One MLflow run. All metrics of a step go in one call, so that its last step is whole."""

    def start(self, run: TrackedRun) -> int:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # training waits meanwhile
        from mlflow import MlflowClient
        from mlflow.entities import Param

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        self._lock = None if os.environ.get(URI) else run.root / "mlflow.lock"
        if self._lock:
            run.root.mkdir(parents=True, exist_ok=True)
        with self._alone():
            file = run.root.absolute() / "mlflow.db"
            if self._lock and file.exists() and _half_made(file):
                for suffix in ("-journal", "-wal", "-shm", ""):
                    Path(f"{file}{suffix}").unlink(missing_ok=True)
            self._client = MlflowClient(os.environ.get(URI) or f"sqlite:///{file}")
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or run.sweep
            experiment = _experiment(self._client, name, run.root if self._lock else None)
            found = self._client.search_runs([experiment], filter_string=f"tags.`{TAG}` = '{run.run_id}'")
            if found:
                self._run: str = found[0].info.run_id
                self._client.update_run(self._run, status="RUNNING")
                history = self._client.get_metric_history(self._run, "percent_error")
                return max((metric.step for metric in history), default=-1) + 1
            tags = {TAG: run.run_id, "mmcr.sweep": run.sweep}
            self._run = self._client.create_run(experiment, tags=tags, run_name=run.name).info.run_id
            params = [Param(key, value) for key, value in _flat(identity(run.spec)).items()]
            for first in range(0, len(params), PARAMS_A_CALL):
                self._client.log_batch(self._run, params=params[first : first + PARAMS_A_CALL])
        return 0

    def log(self, chunk: Chunk) -> None:
        from mlflow.entities import Metric

        names = [name for name in chunk.columns if name != "step"]
        steps, now = [int(step) for step in chunk.columns["step"]], int(1000 * time.time())
        together = METRICS_A_CALL // len(names)
        with self._alone():
            for first in range(0, len(steps), together):
                part = range(first, min(first + together, len(steps)))
                metrics = [Metric(name, float(chunk.columns[name][i]), now, steps[i]) for i in part for name in names]
                self._client.log_batch(self._run, metrics=metrics)

    def finish(self, row: Mapping[str, Any] | None) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        final = [Metric(name, value, now, 0) for name, value in final_numbers(row or {}).items()]
        with self._alone():
            self._client.log_batch(self._run, metrics=final)
            self._client.set_terminated(self._run, ENDINGS[row["status"]] if row else "KILLED")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Within, no other process of this sweep uses its SQLite file, which two cannot make, nor write, at once."""
        if self._lock is None:
            yield
            return
        with Path(self._lock).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _half_made(file: Path) -> bool:
    """Whether a process was killed while it made MLflow's tables in a file, which MLflow neither undoes nor completes:
    they are not those of its newest revision, and hold no run. Raises RuntimeError, with the remedy, for a file that is
    no database, that another program locks, or whose runs MLflow cannot read."""
    import mlflow
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    try:
        with contextlib.closing(sqlite3.connect(file)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            runs = database.execute("SELECT count(*) FROM runs").fetchone()[0] if "runs" in tables else 0
            known = "alembic_version" in tables
            revisions = [row[0] for row in database.execute("SELECT version_num FROM alembic_version")] if known else []
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise RuntimeError(f"{file} is locked by another program, such as a database browser; close it") from error
        raise RuntimeError(f"{file} cannot be read ({error}); {_REMEDY}") from error
    folder = Path(mlflow.__file__).parent / "store/db_migrations"
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    whole = revisions == ScriptDirectory.from_config(config).get_heads()
    if runs and not whole:
        remedy = f"run: mlflow db upgrade sqlite:///{file}; or {_REMEDY}"
        raise RuntimeError(f"{file} has {counted(runs, 'run')} in tables of another version of MLflow; {remedy}")
    return not whole


def _experiment(client: Any, name: str, root: Path | None) -> str:
    """Id of the experiment of a name, which is made where there is none, its artifacts in `root` where that is given.
    Another process may make it meanwhile."""
    from mlflow.exceptions import MlflowException

    if (found := client.get_experiment_by_name(name)) is None:
        place = (root.absolute() / "mlflow").as_uri() if root else None
        try:
            return str(client.create_experiment(name, artifact_location=place))
        except MlflowException:
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


def _flat(tree: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Dotted key -> value as text."""
    found: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{above}{key}.")
        else:
            found[above + key] = value if isinstance(value, str) else canonical_json(value)
    return found
