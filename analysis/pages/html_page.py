"""Self-contained HTML pages from the files in `templates`: everything is escaped, nothing needs a network."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

DPI = 200  # of the figures
READABLE = 600  # pixels below which a figure of many panels is scrolled instead of shrunk
LONG = 40  # characters beyond which a cell's text may wrap


class Picture(NamedTuple):
    """A PNG to embed; pages link to it by its name. Widths in CSS pixels."""

    name: str
    width: int
    least_width: int
    png: str  # base64


class Cell(NamedTuple):
    """Of a table; `kind`: a CSS class; `value`: what it is sorted by where that is not its text."""

    text: str
    kind: str = ""
    value: str = ""


def render_template(template: str, **values: object) -> str:
    """A page with values in it."""
    folder = FileSystemLoader(Path(__file__).parent / "templates")
    found = Environment(loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    found.filters["cells"] = _cells
    return found.get_template(template).render(values)


def embed(paths: list[Path]) -> list[Picture]:
    """PNG files, each under the stem of its name."""
    pictures = []
    for path in paths:
        content = path.read_bytes()
        width = int.from_bytes(content[16:20], "big") * 96 * 4 // (3 * DPI)  # 8-point labels as 11-point text
        pictures.append(Picture(path.stem, width, min(width, READABLE), base64.b64encode(content).decode()))
    return pictures


def _cells(frame: pd.DataFrame) -> tuple[list[tuple[str, bool]], list[list[Cell]]]:
    """Columns (name, whether of numbers) and rows; numbers are shown to 4 digits and sorted at full precision."""
    numeric = [pd.api.types.is_numeric_dtype(frame[name]) for name in frame.columns]
    rows = [[_cell(*each) for each in zip(row, numeric, strict=True)] for row in frame.itertuples(index=False)]
    return list(zip(map(str, frame.columns), numeric, strict=True)), rows


def _cell(value: Any, number: bool) -> Cell:
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return Cell("")
    if number and isinstance(value, float):
        return Cell(f"{value:.4g}", value=repr(value))
    text = str(value)
    return Cell(text, "" if number else "long" if len(text) > LONG else "text")
