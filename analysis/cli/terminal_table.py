"""A frame as a table in the terminal."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from typing import TextIO

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sweeps.cli.console import BORDER, columns, fitting, left_out, table_width
from sweeps.cli.formatting import counted

READABLE = 6  # characters of a column


def print_table(
    frame: pd.DataFrame, title: str | None = None, spare: Sequence[str] = (), stream: TextIO | None = None
) -> None:
    """A frame as a table in the terminal, on standard output unless another stream is given; cells are never cut. Where
    it is too wide, headings break between words, then columns of `spare` are left out, which is said, then cells go on
    in the next line; where that would leave less than READABLE of each, rows are shown one by one, a line a column."""
    texts = {str(name): [_cell(value) for value in frame[name]] for name in frame.columns}
    stream = stream or sys.stdout
    width = columns(stream)
    headings = _headings(texts, width)
    shown = fitting({headings[name]: texts[name] for name in texts}, width, [headings[name] for name in spare])
    names = [name for name in texts if headings[name] in shown]
    if width is not None and _least_width(names, texts) > width:
        _print_rows(texts, title, stream)
        return
    table = Table(title=title, title_justify="left")
    for name in names:
        numeric = pd.api.types.is_numeric_dtype(frame[name])
        table.add_column(Text(headings[name]), justify="right" if numeric else "left", overflow="fold")
    for row in zip(*(texts[name] for name in names), strict=True):
        table.add_row(*map(Text, row))  # Text: no cell is taken for markup
    console = Console(file=stream, markup=False, highlight=False, width=width)
    if width is None:
        console.width = max(80, Console(width=10_000).measure(table).maximum)
    console.print(table)
    rows = counted(len(frame), "row")
    console.print(" ".join(filter(None, [f"{rows}." if len(names) < len(texts) else rows, left_out(texts, names)])))


def _least_width(names: Sequence[str], texts: dict[str, list[str]]) -> int:
    """Of a table with READABLE of each column, or all of it where that is less."""
    longest = (max(map(len, (name, *texts[name]))) for name in names)
    return sum(min(READABLE, length) + BORDER for length in longest) + 1


def _print_rows(texts: dict[str, list[str]], title: str | None, stream: TextIO) -> None:
    """Each row by itself, a line a column."""
    room = max(map(len, texts))
    rows = list(zip(*texts.values(), strict=True))
    if title:
        print(title, file=stream)
    for i, row in enumerate(rows, 1):
        print(f"row {i} of {len(rows)}", file=stream)
        for name, text in zip(texts, row, strict=True):
            print(f"  {name:{room}}  {text}", file=stream)
    if not rows:
        print("0 rows of", ", ".join(texts), file=stream)


def _headings(texts: dict[str, list[str]], width: int | None) -> dict[str, str]:
    """What stands above each column: its name, in lines where the table is too wide, first where that gains most."""
    headings = {name: name for name in texts}
    broken = {name: _broken(name, cells) for name, cells in texts.items()}
    for name in sorted(texts, key=lambda name: max(map(len, broken[name].split("\n"))) - len(name)):
        if width is None or table_width({headings[other]: texts[other] for other in texts}) <= width:
            break
        headings[name] = broken[name]
    return headings


def _broken(heading: str, texts: Sequence[str]) -> str:
    """A heading in lines no longer than its cells, or than its longest word."""
    longest = max(map(len, (*texts, *heading.split())), default=1)
    return "\n".join(textwrap.wrap(heading, max(longest, 1), break_long_words=False)) or heading


def _cell(value: object) -> str:
    if value is None or value is pd.NaT or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)
