"""A frame as a table in the terminal."""

from __future__ import annotations

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_table(frame: pd.DataFrame, title: str | None = None) -> None:
    """A frame as a table in the terminal; cells are never cut."""
    table = Table(title=title, title_justify="left")
    for name in frame.columns:
        numeric = pd.api.types.is_numeric_dtype(frame[name])
        table.add_column(Text(str(name)), justify="right" if numeric else "left", overflow="fold")
    for row in frame.itertuples(index=False):
        table.add_row(*(Text(_cell(value)) for value in row))  # Text: no cell is taken for markup
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = max(80, Console(width=10_000).measure(table).maximum)
    console.print(table)
    console.print(f"{len(frame)} rows" if len(frame) != 1 else "1 row")


def _cell(value: object) -> str:
    if value is None or value is pd.NaT or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)
