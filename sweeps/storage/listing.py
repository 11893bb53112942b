"""What lies in a store, by name: each of its folders is listed once, however many runs it has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from functools import cached_property
from pathlib import Path
from typing import Any

from sweeps.storage.chunks import chunk_steps, is_chunk, visible_chunks
from sweeps.storage.decisions import decided_rungs
from sweeps.storage.filesystems import files_below
from sweeps.storage.packing.packed import MARKER, PackedFile, packed_files
from sweeps.storage.weight_files import KINDS


def is_run_file(file: Path) -> bool:
    """Whether a name is that of a run's row: not one that is being written, nor a copy that a person or a file
    synchronizer made."""
    return re.fullmatch(r"[0-9A-Za-z_]+\.parquet", file.name) is not None and file.name != MARKER


class Listing:
    """Files of the store at `root`, by run, as they are when a folder is first asked for. Small files are listed before
    packed ones, so that a run that is packed meanwhile is among these."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.damaged: list[Path] = []  # packed files that cannot be read, once `packed` has been asked for
        self._packed: dict[str, dict[str, list[PackedFile]]] = {}
        self._at: dict[str, dict[str, PackedFile]] = {}

    @cached_property
    def rows(self) -> dict[str, Path]:
        """run_id -> file of its row, of the runs that are not packed, or whose row was written anew."""
        files = [self.root / "runs" / name for (name,) in files_below(self.root / "runs")]
        return {file.stem: file for file in files if is_run_file(file)}

    @cached_property
    def chunks(self) -> dict[str, list[Path]]:
        """run_id -> its visible chunks in order, of runs whose trajectory is not packed: of one that is, chunks count
        where they begin at its first step, for compacting removes that one before the others."""
        packed = self.packed_at("trajectories")
        return {run: files for run, files in self._chunks.items() if run not in packed or not chunk_steps(files[0])[0]}

    @cached_property
    def _chunks(self) -> dict[str, list[Path]]:
        return _by_run(visible_chunks(self._every_chunk))

    @cached_property
    def _every_chunk(self) -> list[Path]:
        return [file for file in self._of_runs("trajectories") if is_chunk(file)]

    def passed_over(self, runs: Set[str]) -> list[Path]:
        """The chunks of these runs, and of all that are packed, that count no more."""
        packed = self.packed_at("trajectories")
        counting = set(self.files("trajectories"))
        named = (file for file in self._every_chunk if file.parent.name in runs or file.parent.name in packed)
        return [file for file in named if file not in counting]

    @cached_property
    def measures(self) -> dict[str, list[Path]]:
        """run_id -> files of what was measured of it, in order of their steps."""
        files = self._of_runs("measures")
        return _by_run(file for file in files if re.fullmatch(r"\d{8,}\.parquet", file.name))

    @cached_property
    def checkpoints(self) -> dict[str, list[Path]]:
        """run_id -> its checkpoints, the oldest first."""
        return _by_run(file for file in self._of_runs("checkpoints") if re.fullmatch(r"\d{8,}\.ckpt", file.name))

    @cached_property
    def weights(self) -> set[str]:
        """Runs of which something was kept."""
        return {Path(name).stem for (name,) in files_below(self.root / "weights") if name.endswith(KINDS)}

    @cached_property
    def logs(self) -> set[str]:
        """Runs that have a log."""
        return {Path(name).stem for (name,) in files_below(self.root / "logs")}

    @cached_property
    def decisions(self) -> dict[str, list[float]]:
        """run_id -> rungs up to which an adaptive sweep decided to train it."""
        found: dict[str, list[float]] = {}
        for run_id, rung in decided_rungs(self.root):
            found.setdefault(run_id, []).append(rung)
        return found

    @cached_property
    def leases(self) -> set[str]:
        """Runs whose lease is there, held or lapsed."""
        folders = ("leases", "claims")
        return {Path(name).stem for folder in folders for (name,) in files_below(self.root / folder)}

    def files(self, table: str) -> list[Path]:
        """The small files of a table that count, in order."""
        if table == "runs":
            return list(self.rows.values())
        by_run = self.chunks if table == "trajectories" else self.measures
        return [file for files in by_run.values() for file in files]

    def packed(self, table: str) -> list[PackedFile]:
        """The packed files of a table that count, listed after the small files that win over them."""
        return self._in_force(table)[table]

    def packed_at(self, table: str) -> dict[str, PackedFile]:
        """run_id -> the packed file that holds it, of the runs that count as packed."""
        if table not in self._at:
            found = self._in_force(table)
            rows = {run for file in found["runs"] for run in file.runs}
            self._at[table] = {run: file for file in found[table] for run in file.runs if run in rows}
        return self._at[table]

    def overridden(self, file: PackedFile) -> set[Any]:
        """Run ids in a packed file that do not count: small files win, another packed file has them, or no packed row
        names them. Of measures: (run_id, step)."""
        at = self.packed_at(file.table)
        if file.table == "measures":
            small = {(path.parent.name, int(path.stem)) for path in self.files("measures")}
            every = ((run, step) for run, steps in file.steps.items() for step in steps)
            return {key for key in every if at.get(key[0]) is not file or key in small}
        wins = self.rows if file.table == "runs" else self.chunks
        return {run for run in file.runs if at.get(run) is not file or run in wins}

    def _in_force(self, table: str) -> dict[str, list[PackedFile]]:
        if table not in self._packed:
            _ = self.rows if table == "runs" else self._chunks if table == "trajectories" else self.measures
            self._packed[table] = packed_files(self.root, self.damaged)
        return self._packed[table]

    def _of_runs(self, folder: str) -> list[Path]:
        parent, parts = self.root / folder, files_below(self.root / folder, 2)
        return [parent / run / name for run, name in parts if is_run_file(Path(f"{run}.parquet"))]


def _by_run(files: Iterable[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for file in files:
        found.setdefault(file.parent.name, []).append(file)
    return found
