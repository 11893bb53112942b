"""Keys of a grid file for people: Markdown for a page, lines for a terminal."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from itertools import takewhile

from rich.text import Text

from sweeps.grid.key_rows import Default, KeyRow

BEGIN = "<!-- keys: written by sweeps/keys.py -->"
END = "<!-- end of keys -->"
NO_PART = "No part of a run's identity."


def markdown(rows: Sequence[KeyRow]) -> str:
    """A table of the keys at the top, then one for each key that has others inside it."""
    parts = dict.fromkeys(row.key.partition(".")[0] for row in rows if "." in row.key)
    tables = [_table("Top level", [row for row in rows if "." not in row.key])]
    tables += [_table(f"`{part}`", [row for row in rows if row.key.startswith(f"{part}.")]) for part in parts]
    return "\n".join(tables)


def table_of_grids(texts: Mapping[str, str]) -> str:
    """Path of a grid file -> its text, whose comment begins with what the grid is for."""
    told = ([f"`{path}`", _first_sentence(text)] for path, text in texts.items())
    cells = [["file", "what it is"], ["---", "---"], *told]
    return "\n".join(["## Grids to start from", "", *map(_line, cells), ""])


def lines(rows: Sequence[KeyRow], width: int) -> Text:
    """Each key with what it may be, its default and its meaning, no line longer than `width`."""
    text = Text()
    for row in rows:
        text.append(row.key, style="bold")
        text.append(f"  ({', '.join(row.of)})\n" if row.of else "\n")
        facts = _plain("; ".join(filter(None, [row.values, "" if row.filled_in else f"default {_default(row)}"])))
        facts = facts.replace("default must be given", "must be given")
        meaning = _plain(row.meaning) if row.identity else f"{_plain(row.meaning)} {NO_PART}"
        for paragraph, style in ((facts, "cyan"), (meaning, "")):
            wrapped = textwrap.wrap(paragraph, width, initial_indent="    ", subsequent_indent="    ")
            text.append("\n".join(wrapped) + "\n", style=style)
    return text


def _table(title: str, rows: Sequence[KeyRow]) -> str:
    of, outside = any(row.of for row in rows), not any(row.identity for row in rows)
    head = ["key", *(["of"] if of else []), "values", "default", "meaning"]
    body = []
    for row in rows:
        meaning = row.meaning if row.identity or outside else f"{row.meaning} {NO_PART}"
        body.append([f"`{row.key}`", *([", ".join(row.of)] if of else []), row.values, _default(row), meaning])
    text = [f"### {title}", ""]
    text += ["No part of a run's identity.", ""] if outside else []
    text += [_line(head), _line(["---"] * len(head)), *(_line(cells) for cells in body), ""]
    return "\n".join(text)


def _first_sentence(text: str) -> str:
    comment = takewhile(lambda line: line.startswith("#"), text.splitlines())
    return re.split(r"(?<=[.?]) (?=[A-Z`])", " ".join(line.lstrip("# ") for line in comment))[0]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(row: KeyRow) -> str:
    if row.filled_in:
        return "filled in"
    if not row.defaults:
        return "must be given"
    several = len(row.defaults) > 1
    return ", ".join(_one(default, several) for default in row.defaults)


def _one(default: Default, several: bool) -> str:
    value = {"": "must be given", "{}": "those of its keys", "none": "none"}.get(default.value, f"`{default.value}`")
    if default.of:
        return f"{value} ({', '.join(default.of)})"
    return f"else {value}" if several else value


def _plain(text: str) -> str:
    return text.replace("`", "")
