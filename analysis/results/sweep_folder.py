"""One sweep's folder as the files of its tables. What else lies there, such as a file synchronizer's copy, is passed
over; files that are damaged are named and left out."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pds
import pyarrow.fs as pafs

from analysis.results import old_names
from analysis.results.errors import ResultsError
from sweeps.storage.chunks import is_chunk, visible_chunks
from sweeps.storage.filesystems import file_system, is_local, resolved, to_path
from sweeps.storage.schemas import MEASURE_SCHEMA, RUN_SCHEMA, SCHEMA_VERSION, TRAJECTORY_SCHEMA
from sweeps.storage.sweep_store import is_run_file

WRITTEN = {"fits": "plot_scaling.py", "peaks": "plot_double_descent.py", "joint_law": "plot_grid_law.py"}  # and by what
SCHEMAS = {"runs": RUN_SCHEMA, "trajectories": TRAJECTORY_SCHEMA, "measures": MEASURE_SCHEMA}  # of the store's own
TABLES = (*SCHEMAS, *WRITTEN)
PARQUET = pds.ParquetFileFormat()


class SweepFolder:
    """The tables of the folder or URL `root`; `label` is what they have as `sweep`."""

    def __init__(self, root: Path, label: str) -> None:
        self.root, self.label = root, label
        self._damaged: set[str] = set()

    @property
    def damaged(self) -> bool:
        """Whether files of the store's own tables were left out."""
        return any(_table_of(Path(file)) not in WRITTEN for file in self._damaged)

    def files(self, table: str) -> list[Path]:
        """The files that hold a table, in order."""
        files = [file for file in self._named(table) if str(file) not in self._damaged]
        return [file for file in files if not is_local(file) or file.is_file()]

    def _named(self, table: str) -> list[Path]:
        if table == "runs":
            return sorted(file for file in self.root.glob("runs/*.parquet") if is_run_file(file))
        if table in WRITTEN:
            found = (sorted(self.root.glob(f"{stem}.parquet")) for stem in old_names.stems(table))
            return next(filter(None, found), [])
        files = [file for file in self.root.glob(f"{table}/*/*.parquet") if is_run_file(_row_of(file))]
        if table == "trajectories":
            return visible_chunks(file for file in files if is_chunk(file))
        return sorted(file for file in files if re.fullmatch(r"\d{8,}\.parquet", file.name))

    def schema(self, table: str) -> pa.Schema | None:
        """A table's columns, `sweep` the last but in runs; None where this sweep has no such table."""
        if table == "runs":
            return RUN_SCHEMA
        columns: pa.Schema | None = SCHEMAS.get(table)
        if columns is None:
            if not (files := self.files(table)):
                return None
            columns = old_names.renamed(table, PARQUET.inspect(*self._where(files[0])))
            columns = pa.schema([field for field in columns if field.name != "sweep"])
        return columns.append(pa.field("sweep", pa.string()))

    def dataset(self, table: str, columns: pa.Schema) -> pds.Dataset:
        """A table with these columns, null where its files lack one, which are read when they are asked for."""
        files = self.files(table)
        if table in old_names.COLUMNS:
            before = old_names.as_in_file(table, columns, PARQUET.inspect(*self._where(files[0])))
            if before != columns:  # a small table of version 0.1
                return pds.dataset(self._dataset(files, before).to_table().rename_columns(columns.names))
        return self._dataset(files, columns)

    def _dataset(self, files: Sequence[Path], columns: pa.Schema) -> pds.FileSystemDataset:
        label = pds.field("sweep") == self.label  # as if each file lay in a folder of this name
        return pds.FileSystemDataset.from_paths(
            self._paths(files),
            schema=columns,
            format=PARQUET,
            filesystem=self._file_system(),
            partitions=[label] * len(files),
        )

    def _paths(self, files: Sequence[Path]) -> list[str]:
        return [str(file) if is_local(file) else file.path for file in files]  # type: ignore[attr-defined]

    def _file_system(self) -> pafs.FileSystem:
        if is_local(self.root):
            return pafs.LocalFileSystem()
        return pafs.PyFileSystem(pafs.FSSpecHandler(file_system(self.root)))

    def check_rows(self) -> None:
        """Leave out rows that no run wrote. Raises ResultsError for a newer schema, and where no run is left."""
        files = self.files("runs")
        about = ["__filename", "run_id", "schema_version"]
        rows = self._dataset(files, RUN_SCHEMA).to_table(columns=about).to_pylist()
        newest = max((row["schema_version"] or 0 for row in rows), default=0)
        if newest > SCHEMA_VERSION:
            raise ResultsError(
                f"{self.root} has schema_version {newest}; this code reads up to {SCHEMA_VERSION}: update it"
            )
        by_file: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            by_file.setdefault(row["__filename"], []).append(row)
        for name, file in zip(self._paths(files), files, strict=True):
            own = by_file.get(name, [])
            if len(own) != 1 or own[0]["run_id"] != file.stem or own[0]["schema_version"] is None:
                self._leave_out(file)
        if not self.files("runs"):
            raise ResultsError(f"{self.root} holds no runs that can be read")

    def leave_out_unreadable(self) -> bool:
        """Name damaged files and read on without them. Whether there is now anything else to try."""
        known, gone = len(self._damaged), False
        for table in TABLES:
            for file in self.files(table):
                try:
                    self._dataset([file], SCHEMAS.get(table) or PARQUET.inspect(*self._where(file))).to_table()
                except FileNotFoundError:
                    gone = True
                except (pa.ArrowException, OSError):
                    self._leave_out(file)
        return gone or len(self._damaged) > known

    def _where(self, file: Path) -> tuple[str, pafs.FileSystem]:
        return self._paths([file])[0], self._file_system()

    def _leave_out(self, file: Path) -> None:
        self._damaged.add(str(file))
        script = WRITTEN.get(_table_of(file))
        remedy = f"analysis/{script}" if script else "sweeps/store.py check"
        print(f"{file} is damaged and left out; run: python {remedy} {self.root}", file=sys.stderr)


def sweep_folders(places: Sequence[str | Path]) -> list[SweepFolder]:
    """The folders or URLs of sweeps, each labeled with its name, or with all of its path where another is called
    the same. Raises ResultsError for one that cannot be read, holds no runs, or is given twice."""
    roots = [_root(place) for place in places]
    return [SweepFolder(root, label) for root, label in zip(roots, labels(roots), strict=True)]


def labels(roots: Sequence[Path]) -> list[str]:
    """What sweeps are called. Raises ResultsError where one is given twice."""
    whole = [resolved(root).rstrip("/") for root in roots]
    twice = [str(root) for root, path in zip(roots, whole, strict=True) if whole.count(path) > 1]
    if twice:
        raise ResultsError(f"{twice[0]} is given twice; give sweeps that differ")
    names = [path.rsplit("/", 1)[-1] for path in whole]
    return [name if names.count(name) == 1 else str(root) for root, name in zip(roots, names, strict=True)]


def _root(place: str | Path) -> Path:
    try:
        root = to_path(place)
        f"{root} {resolved(root)}".encode()  # pyarrow and DuckDB know no other paths
        there, any_run = root.is_dir(), any(is_run_file(file) for file in root.glob("runs/*.parquet"))
    except UnicodeEncodeError as error:
        raise ResultsError(f"{place} cannot be read: its path is not UTF-8; rename it") from error
    except Exception as error:  # a URL's file system raises what it likes
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise ResultsError(f"{place} cannot be read: {reason}") from error
    if not there:
        raise ResultsError(f"{root} is not a folder; give a sweep's folder, such as results/quickstart")
    if not any_run:
        raise ResultsError(f"{root} holds no runs yet; launch a grid first: python sweeps/launch.py GRID")
    return root


def _table_of(file: Path) -> str:
    """The table that a file of analysis holds, whatever version wrote it."""
    return old_names.TODAY.get(file.stem, file.stem)


def _row_of(file: Path) -> Path:
    """What the row of the run would be called in whose folder a file lies."""
    return Path(f"{file.parent.name}.parquet")
