"""Pictures of a report that were drawn before: of the same content of the store, by the same code."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from analysis.results.analysis_cache import KeptFiles, to_table
from analysis.sweep_analysis import SweepAnalysis

NAME = "report_figures"


class KeptPictures:
    """Groups of PNGs in `folder`, read from the sweep's folder or drawn."""

    def __init__(self, analysis: SweepAnalysis, folder: Path) -> None:
        self._kept = KeptFiles(analysis.results.root, f"{analysis.kept.files.digest} {code_digest()}")
        self._analysis, self._folder, self._new = analysis, folder, False
        table = self._kept.read(NAME, analysis.kept.all_options())
        rows = [] if table is None else table.to_pylist()
        self._groups: dict[str, dict[str, bytes]] = {row["group"]: {} for row in rows}
        for row in rows:
            self._groups[row["group"]][row["name"]] = row["png"]

    def of(self, group: str, draw: Callable[[Path], list[Path]]) -> list[Path]:
        """The paths of a group's PNGs, which `draw` saves in the folder where they are not known."""
        if group not in self._groups:
            self._groups[group] = {path.stem: path.read_bytes() for path in draw(self._folder)}
            self._new = True
        paths = {self._folder / f"{name}.png": png for name, png in self._groups[group].items()}
        for path, png in paths.items():
            path.write_bytes(png)
        return list(paths)

    def keep(self) -> None:
        """Write those that were drawn beside those that were read."""
        if self._new and not self._analysis.results.damaged:
            rows = [(group, *each) for group, pictures in self._groups.items() for each in pictures.items()]
            table = to_table(pd.DataFrame(rows, columns=["group", "name", "png"]))
            self._kept.keep(NAME, table, self._analysis.kept.all_options())


def code_digest() -> str:
    """Of all that draws."""
    digest = hashlib.sha256(version("matplotlib").encode())
    for file in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
