"""The text of a grid: of a file, of standard input, or of a grid that comes with this project, by its name."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import NamedTuple

from sweeps.cli.errors import UserError
from sweeps.config.yaml_lines import Line
from sweeps.storage.filesystems import is_local, to_path

GRIDS = Path(__file__).parents[1] / "grids"


class GridError(UserError):
    """One line: FILE:LINE: KEY: what is wrong; what would be right."""


class GridSource(NamedTuple):
    """A grid's text, what it is called in messages, and the folder in which a user's own code may lie."""

    name: str
    text: str
    folders: tuple[Path, ...] = ()

    @staticmethod
    def found(given: str | Path) -> GridSource:
        """Of a path, `-` or a name: a file of that name is taken before a grid that is shipped. Raises GridError."""
        if str(given) == "-":
            return GridSource("-", sys.stdin.read())
        name, path, shipped = str(given), to_path(given), GRIDS / f"{given}.yaml"
        if is_local(path) and not path.is_file() and path.name == name and shipped.is_file():
            name, path = str(shipped), shipped
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise GridError(f"{given}: is not UTF-8 text; save it as UTF-8, or give the path of a grid file") from error
        except OSError as error:
            near = difflib.get_close_matches(path.stem, [grid.stem for grid in GRIDS.glob("*.yaml")], 1)
            hint = (
                f", or the name of a shipped one: did you mean {near[0]}?" if near else " or the name of a shipped one"
            )
            problem = f"cannot be read ({error.strerror}); give the path of a grid file{hint}"
            raise GridError(f"{given}: {problem}") from error
        return GridSource(name, text, (path.parent,) if is_local(path) else ())

    def at(self, line: Line, said: str) -> str:
        """A sentence with its place."""
        if isinstance(line, str):
            return f"{line}: {said}"
        return f"{self.name}: {said}" if self.name == "grid" else f"{self.name}:{line}: {said}"
