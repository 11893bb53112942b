"""What is printed fits the terminal, or the COLUMNS that are asked for; a file or a pipe takes lines of any length.

Sentences break between words. A table leaves out columns that it can spare, and says which.
"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import TextIO

from rich.cells import cell_len

BORDER = 3  # columns of the terminal that a table's column takes beside its text


def columns(stream: TextIO) -> int | None:
    """How many columns a stream has; None where it has no end."""
    given = os.environ.get("COLUMNS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):  # no terminal; a stream without a descriptor
        return None


def wrapped(text: str, width: int | None) -> str:
    """Lines broken between words, so that a path stays whole."""
    if width is None:
        return text
    breaks = {"break_long_words": False, "break_on_hyphens": False}
    return "\n".join(textwrap.fill(line, width, **breaks) for line in text.split("\n"))  # type: ignore[arg-type]


def print_wrapped(text: str, stream: TextIO | None = None) -> None:
    """Print sentences, to standard output unless another stream is given."""
    stream = stream or sys.stdout
    print(wrapped(text, columns(stream)), file=stream)


def table_width(table: Mapping[str, Sequence[str]]) -> int:
    """Of a table with borders: name -> texts of each column."""
    longest = (max(map(cell_len, (*name.split("\n"), *texts)), default=0) for name, texts in table.items())
    return sum(width + BORDER for width in longest) + 1


def fitting(table: Mapping[str, Sequence[str]], width: int | None, spare: Sequence[str]) -> list[str]:
    """Names of the columns to show in so much width: those of `spare` are left out, the first one first, until the
    others fit."""
    shown = dict(table)
    for name in spare:
        if width is None or table_width(shown) <= width:
            break
        shown.pop(name, None)
    return list(shown)


def left_out(table: Mapping[str, Sequence[str]], shown: Sequence[str]) -> str:
    """A sentence on the columns that are not shown; empty where all are."""
    gone = [name for name in table if name not in shown]
    return f"Left out for lack of space: {', '.join(gone)}." if gone else ""
