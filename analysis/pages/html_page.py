"""Self-contained HTML pages from the files in `templates`: everything is escaped, nothing needs a network."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Set
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from analysis.pages.captions import caption_of
from analysis.results.display_names import with_names

DPI = 200  # of the figures
READABLE = 600  # pixels below which a figure of many panels is scrolled instead of shrunk
COLUMNS = {  # others with spaces for underscores
    "alpha": "α",
    "aicc": "AICc",
    "bic": "BIC",
    "by_formula": "K by formula",
    "chi_square": "χ² per point",
    "flops": "FLOPs",
    "heldout_percent_error": "held-out percent error",
    "images_per_second": "images/s",
    "irreducible": "irreducible error",
    "run_id": "run",
    "trusted": "passed checks",
    "chosen": "selected",
    "column": "variable",
    "s0": "s₀",
    "wall_seconds": "seconds",
    "x0": "x₀",
}
SYMBOLIC = ("law", "note", "reason")  # columns of sentences and formulas

VALUES = {  # of columns, as people read them
    "irreducible": {"theory": "e∞", "free": "fitted"},
    "offset": {"free": "fitted"},
}
SYMBOLS = {"e_inf": "e<sub>∞</sub>", "^-alpha": "<sup>−α</sup>", "alpha": "α", "x0": "x<sub>0</sub>"}
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
DIGITS = 3
SMALL, LARGE = 1e-4, 1e5  # beyond them numbers have a power of ten
LONG = 40  # characters beyond which a cell's text may wrap


class Picture(NamedTuple):
    """A PNG to embed; pages link to it by its name. `caption`: also its alternative text; `folded`: of a variant that
    is shown where it is asked for. Widths in CSS pixels."""

    name: str
    caption: str
    width: int
    least_width: int
    png: str  # base64
    folded: bool = False


class Cell(NamedTuple):
    """Of a table; `kind`: a CSS class; `value`: what it is sorted by where that is not its text."""

    text: str
    kind: str = ""
    value: str = ""


def render_template(template: str, **values: object) -> str:
    """A page with values in it."""
    folder = FileSystemLoader(Path(__file__).parent / "templates")
    found = Environment(loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    found.filters |= {"cells": _cells, "csv": _csv, "symbols": symbols}
    return found.get_template(template).render(values)


def embed(paths: list[Path], shown: Set[int] | None = None) -> list[Picture]:
    """PNG files, each under the stem of its name; of numbered ones those that are not among `shown` are folded."""
    pictures = []
    for path in paths:
        content = path.read_bytes()
        width = int.from_bytes(content[16:20], "big") * 96 * 4 // (3 * DPI)  # 8-point labels as 11-point text
        number = re.search(r"_(\d+)$", path.stem)
        folded = shown is not None and number is not None and int(number[1]) not in shown
        png = base64.b64encode(content).decode()
        pictures.append(Picture(path.stem, caption_of(path.stem), width, min(width, READABLE), png, folded))
    return pictures


def _cells(frame: pd.DataFrame, hidden: Collection[str] = ()) -> tuple[list[tuple[str, bool]], list[list[Cell]]]:
    """Columns (name, whether of numbers) and rows, with names for people; numbers are shown rounded and sorted at full
    precision. Columns that are `hidden` or without any value are left out."""
    empty = frame.isna() | frame.map(lambda value: isinstance(value, str) and not value)
    shown = frame.loc[:, ~(empty.all() & bool(len(frame))) & ~frame.columns.isin(list(hidden))]
    values = {name: shown[name].replace(said) for name, said in VALUES.items() if name in shown}
    named = with_names(shown).assign(**values)
    numeric = [
        pd.api.types.is_numeric_dtype(named[name]) and not pd.api.types.is_bool_dtype(named[name]) for name in named
    ]
    kinds = list(zip(named, numeric, strict=True))
    rows = [
        [_cell(value, number, name in SYMBOLIC) for value, (name, number) in zip(row, kinds, strict=True)]
        for row in named.itertuples(index=False)
    ]
    return [(column_name(str(name)), number) for name, number in kinds], rows


def symbols(text: str) -> Markup:
    """A sentence of the terminal, escaped, with the symbols that a page has."""
    shown = str(escape(text))
    for typed, symbol in SYMBOLS.items():
        shown = re.sub(rf"(?<!\w){re.escape(typed)}(?!\w)" if typed.isalnum() else re.escape(typed), symbol, shown)
    return Markup(shown)


def column_name(name: str) -> str:
    """A column of a table as people read it: `alpha_low` is `α, low`, `low_95` is `low, 95%`."""
    if name in COLUMNS:
        return COLUMNS[name]
    base, _, end = name.rpartition("_")
    if base and end in ("low", "high"):
        return f"{column_name(base)}, {end}"
    return f"{base}, {end}%" if base in ("low", "high") else name.replace("_", " ")


def _csv(frame: pd.DataFrame) -> str:
    """A table as a link that downloads it, whole and with the names of its columns in the store."""
    return f"data:text/csv;base64,{base64.b64encode(frame.to_csv(index=False).encode()).decode()}"


def rounded(number: float) -> str:
    """To three digits (whole numbers, and those of 1,000 and more, to the unit), as 2.10 × 10¹⁴ where it is very large
    or small."""
    if not np.isfinite(number):
        return str(number)
    if abs(number) < LARGE and (number == round(number) or abs(number) >= 10 ** (DIGITS - 1)):
        return f"{number:,.0f}"
    mantissa, power = f"{number:.{DIGITS - 1}e}".split("e")
    if abs(number) < SMALL or abs(number) >= LARGE:
        return f"{mantissa} × 10{str(int(power)).translate(SUPERSCRIPT)}"
    return f"{number:.{max(0, DIGITS - 1 - int(power))}f}"


def _cell(value: Any, number: bool, symbolic: bool) -> Cell:
    """Symbols come last: a column of strings in pandas 3 would make markup plain text, which is escaped again."""
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return Cell("")
    if number and isinstance(value, float):
        return Cell(rounded(value), value=repr(value))
    if isinstance(value, bool | np.bool_):
        return Cell("yes" if value else "no", "text")
    text = str(value)
    kind = "" if number else "long" if len(text) > LONG else "text"
    return Cell(symbols(text) if symbolic else text, kind)
