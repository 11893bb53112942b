"""Tables and pages as files, written whole or not at all where they are regular files."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from analysis.results.errors import ResultsError
from sweeps.storage.output_targets import is_stdout, write_target

if TYPE_CHECKING:  # fits need scipy, which a query does without
    from analysis.sweep_analysis import SweepAnalysis


def write(content: bytes, path: Path) -> None:
    """Write a file. Raises ResultsError where that cannot be."""
    if path.is_dir():
        raise ResultsError(f"{path} is a folder; give the name of a file")
    try:
        write_target(path, content)
    except OSError as error:
        raise ResultsError(f"{path} cannot be written: {error.strerror or error}; choose another place") from error


def printable(path: Path) -> str:
    """A path as text that can be printed, also where it is not UTF-8."""
    return str(path).encode(errors="surrogateescape").decode(errors="replace")


def print_paths(paths: Iterable[Path]) -> None:
    """Print the paths of files that were written, one per line."""
    for path in paths:
        print(printable(path))


def announce(sentence: str, path: Path) -> None:
    """Print a sentence on a file that was written; to standard error where standard output is that file."""
    stream = sys.stderr if is_stdout(path) or not path.is_file() else sys.stdout
    print(sentence, file=stream)


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a parquet file."""
    stream = io.BytesIO()
    frame.to_parquet(stream, index=False)
    write(stream.getvalue(), path)


def write_law(analysis: SweepAnalysis, name: str, frame: pd.DataFrame, output: Path | None, **options: str) -> None:
    """Write a table of laws or peaks as NAME.parquet, in the folder of the sweep or in `output`."""
    if output:
        write_table(frame, output / f"{name}.parquet")
    else:
        analysis.kept.write(name, frame, **options)


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a CSV file."""
    write(frame.to_csv(index=False).encode(), path)


def write_page(html: str, path: Path) -> None:
    """Write an HTML page."""
    write(html.encode(), path)
