"""One sweep's folder as the files of its tables. What else lies there, such as a file synchronizer's copy, is passed
over; files that are damaged are named and left out."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pds
import pyarrow.fs as pafs

from analysis.results import legacy_names
from analysis.results.errors import ResultsError
from sweeps.storage.filesystems import file_system, is_local, raise_unless_damaged, read_undamaged, resolved, to_path
from sweeps.storage.listing import Listing
from sweeps.storage.packing.packed import SCHEMAS, PackedFile
from sweeps.storage.schemas import RUN_SCHEMA, SCHEMA_VERSION
from sweeps.storage.snapshot import read_small, read_trajectories

WRITTEN = {"fits": "plot_scaling.py", "peaks": "plot_double_descent.py", "joint_law": "plot_grid_law.py"}  # and by what
TABLES = (*SCHEMAS, *WRITTEN)
PARQUET = pds.ParquetFileFormat()
ATTEMPTS = 10  # to read a store that changes or has damaged files


class SweepFolder:
    """The tables of the folder or URL `root`; `label` is what they have as `sweep`.

    What lies there is listed when it is first asked for, and again after `refresh`.
    """

    def __init__(self, root: Path, label: str) -> None:
        self.root, self.label = root, label
        self._damaged: set[str] = set()
        self._listing, self._checked = Listing(root), False

    def refresh(self) -> None:
        """See what is there now."""
        self._listing, self._checked = Listing(self.root), False

    def check_runs(self) -> None:
        """Read the rows of runs, where that was not done since the last refresh; raises as `runs`."""
        if not self._checked:
            self.runs()

    @property
    def damaged(self) -> bool:
        """Whether files of the store's own tables were left out."""
        return any(_table_of(Path(file)) not in WRITTEN for file in self._damaged)

    def holds(self, table: str) -> bool:
        """Whether any file has rows of a table."""
        return bool(self._small(table) if table in WRITTEN else self._small(table) or self._packed(table))

    def _small(self, table: str) -> list[Path]:
        """The small files that hold a table, in order."""
        if table in WRITTEN:
            found = (sorted(self.root.glob(f"{stem}.parquet")) for stem in legacy_names.stems(table))
            every = [file for file in next(filter(None, found), []) if not is_local(file) or file.is_file()]
        else:
            every = self._listing.files(table)
        return self._undamaged(every)

    def _undamaged(self, files: Sequence[Path]) -> list[Path]:
        return [file for file in files if str(file) not in self._damaged]

    def _packed(self, table: str) -> list[PackedFile]:
        files = self._listing.packed(table)
        for file in self._listing.damaged:
            self._leave_out(file)
        return [file for file in files if str(file.path) not in self._damaged]

    def schema(self, table: str) -> pa.Schema | None:
        """A table's columns, `sweep` the last but in runs; None where this sweep has no such table."""
        if table == "runs":
            return RUN_SCHEMA
        columns: pa.Schema | None = SCHEMAS.get(table)
        if columns is None:
            if not (files := self._small(table)):
                return None
            columns = legacy_names.renamed(table, PARQUET.inspect(*self._where(files[0])))
            columns = pa.schema([field for field in columns if field.name != "sweep"])
        return columns.append(pa.field("sweep", pa.string()))

    def dataset(self, table: str, columns: pa.Schema) -> pds.Dataset:
        """A table with these columns, null where its files lack one. Trajectories in a folder are read when they are
        asked for, everything else now."""
        if table in WRITTEN:
            return self._written(table, columns)
        if table == "runs":
            return self._in_memory(self.runs(columns.names), columns)
        packed = {file: self._listing.overridden(file) for file in self._packed(table)}
        whole = [file.path for file, over in packed.items() if not over]
        parts = [
            self._of_small(table, columns),
            self._of_files(whole, columns) if whole else None,  # one by one they would be read all at once
            *(self._of_overridden(file, over, columns) for file, over in packed.items() if over),
        ]
        parts = [part for part in parts if part is not None]
        return parts[0] if len(parts) == 1 else pds.UnionDataset(columns, parts)

    def _written(self, table: str, columns: pa.Schema) -> pds.Dataset:
        files = self._small(table)
        if table in legacy_names.COLUMNS:
            before = legacy_names.as_in_file(table, columns, PARQUET.inspect(*self._where(files[0])))
            if before != columns:  # a small table of version 0.1
                return pds.dataset(self._of_files(files, before).to_table().rename_columns(columns.names))
        return self._of_files(files, columns)

    def _of_small(self, table: str, columns: pa.Schema) -> pds.Dataset | None:
        files = self._small(table)
        if not files:
            return None
        if table == "trajectories" and is_local(self.root):
            return self._of_files(files, columns)
        names = [name for name in columns.names if name != "sweep"]
        tables = [found for file, found in read_small(files, table, names) if self._usable(file, found)]
        return self._in_memory(_joined(tables, table, names), columns)

    def _of_overridden(self, file: PackedFile, over: Set[Any], columns: pa.Schema) -> pds.Dataset:
        """The rows of a packed file but for those of `over`."""
        names = [name for name in columns.names if name != "sweep"]
        keys = ["run_id", "step"] if file.table == "measures" else ["run_id"]
        table = file.read(list(dict.fromkeys([*keys, *names])))
        found = zip(*(table[key].to_pylist() for key in keys), strict=True)
        kept = [key not in over for key in (found if len(keys) > 1 else (run for (run,) in found))]
        return self._in_memory(table.filter(pa.array(kept, pa.bool_())).select(names), columns)

    def _in_memory(self, table: pa.Table, columns: pa.Schema) -> pds.Dataset:
        label = pa.repeat(pa.scalar(self.label, pa.string()), len(table))
        return pds.dataset(pa.table([label if name == "sweep" else table[name] for name in columns.names], columns))

    def _of_files(self, files: Sequence[Path], columns: pa.Schema) -> pds.FileSystemDataset:
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

    def runs(self, columns: Sequence[str] = ("run_id",)) -> pa.Table:
        """These columns of all rows; those that no run wrote are left out. Raises ResultsError for a newer schema, and
        where no run is left."""
        names = list(dict.fromkeys(["run_id", "schema_version", *columns]))
        tables, newest = [], 0
        for file, table in read_small(self._small("runs"), "runs", names):
            own = None if table is None else table.select(["run_id", "schema_version"]).to_pylist()
            if not own or len(own) > 1 or own[0]["run_id"] != file.stem or own[0]["schema_version"] is None:
                self._usable(file, None)
            else:
                tables.append(table)
                newest = max(newest, own[0]["schema_version"])
        for packed in self._packed("runs"):
            over, table = self._listing.overridden(packed), packed.read(names)
            tables.append(table.filter(pa.array([run not in over for run in table["run_id"].to_pylist()], pa.bool_())))
            newest = max(newest, pc.max(table["schema_version"]).as_py())
        if newest > SCHEMA_VERSION:
            raise ResultsError(
                f"{self.root} has schema_version {newest}; this code reads up to {SCHEMA_VERSION}: update it"
            )
        joined = _joined(tables, "runs", names)
        listing = self._listing
        if not len(joined) and (listing.rows or listing.packed("runs") or listing.damaged):  # else some may be begun
            raise ResultsError(f"{self.root} holds no runs that can be read")
        self._checked = True
        return joined

    def planned_specs(self) -> list[str]:
        """The specs of the grid that was launched last, as far as the store knows them."""
        table = read_undamaged(self.root / "cells.parquet")
        if table is None or "spec" not in table.column_names:  # of a sweep of the first months, or damaged
            return []
        return table["spec"].to_pylist()  # type: ignore[no-any-return]

    def trajectories(self, runs: Set[str], columns: Sequence[str]) -> Iterator[tuple[str, pa.Table]]:
        """Each of `runs` that has a trajectory with these columns of its steps, in no order of runs. Damaged files are
        named and left out; what is packed or merged meanwhile is found where it is."""
        left = set(runs)
        for attempt in range(ATTEMPTS):
            chunks = {run: self._undamaged(files) for run, files in self._listing.chunks.items() if run in left}
            packed = {file: left & (set(file.runs) - self._listing.overridden(file))
                      for file in self._packed("trajectories")}  # fmt: skip
            try:
                for run, table in read_trajectories(chunks, packed, columns):
                    left.discard(run)
                    yield run, table
                return
            except (pa.ArrowException, OSError):
                if not self.leave_out_unreadable() or attempt == ATTEMPTS - 1:
                    raise

    def leave_out_unreadable(self) -> bool:
        """Name damaged files and read on without them. Whether there is now anything else to try. Raises as
        `raise_unless_damaged`: an answer without what is whole would be another one."""
        known, before = len(self._damaged), self._every_file()
        self.refresh()
        gone = self._every_file() != before
        for table in TABLES:
            packed = [] if table in WRITTEN else [file.path for file in self._packed(table)]
            for file in [*self._small(table), *packed]:
                try:
                    self._of_files([file], SCHEMAS.get(table) or PARQUET.inspect(*self._where(file))).to_table()
                except FileNotFoundError:
                    gone = True
                except (pa.ArrowException, OSError) as error:
                    raise_unless_damaged(error, file)
                    self._leave_out(file)
        return gone or len(self._damaged) > known

    def _every_file(self) -> list[Path]:
        small = [file for table in SCHEMAS for file in self._small(table)]
        return small + [file.path for table in SCHEMAS for file in self._packed(table)]

    def _where(self, file: Path) -> tuple[str, pafs.FileSystem]:
        return self._paths([file])[0], self._file_system()

    def _usable(self, file: Path, table: pa.Table | None) -> bool:
        """Whether a small file could be read. Raises FileNotFoundError where it is gone: what it held is elsewhere."""
        if table is None:
            if not file.exists():
                raise FileNotFoundError(file)
            self._leave_out(file)
        return table is not None

    def _leave_out(self, file: Path) -> None:
        if str(file) in self._damaged:
            return
        self._damaged.add(str(file))
        script = WRITTEN.get(_table_of(file))
        remedy = f"analysis/{script}" if script else "sweeps/store.py check"
        print(f"{file} is damaged and left out; run: python {remedy} {self.root}", file=sys.stderr)


def _joined(tables: Sequence[pa.Table], name: str, columns: Sequence[str]) -> pa.Table:
    empty = pa.schema([SCHEMAS[name].field(column) for column in columns]).empty_table()
    return pa.concat_tables([empty, *tables]).combine_chunks()


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
        listing = Listing(root)
        there = root.is_dir()
        any_run = bool(listing.rows or listing.packed("runs") or listing.damaged or listing.chunks)
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
    return legacy_names.TODAY.get(file.stem, file.stem)
