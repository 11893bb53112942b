"""The reference of a grid's keys, from its JSON schema: Markdown for a page, lines for a terminal."""

from __future__ import annotations

import difflib
import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import takewhile
from typing import Any, NamedTuple, get_args

from rich.text import Text

from mmcr_core.config.defaults import VIEW_RECIPES, default_parts
from mmcr_core.config.run import PAIRS, DatasetName, ViewSpec
from sweeps.cli.errors import UserError
from sweeps.config.schema import CUSTOM_NAME, NO_PART, Schema, grid_schema
from sweeps.config.spec_parsing import SHORTHAND

BEGIN, END = "<!-- config reference: written by sweeps/config_reference.py -->", "<!-- end of config reference -->"
WORDS = {"integer": "integer", "number": "number", "string": "text", "boolean": "boolean"}
GIVEN = "required"
MARK = " †"  # of keys that are no part of a run's identity
OTHERWISE = dict.fromkeys(SHORTHAND, "name or mapping") | {"views": "recipe or mapping"}
LIMITS = {"exclusiveMinimum": "above", "minimum": "from", "maximum": "to"}


class KeyRow(NamedTuple):
    """A key, dotted where it stands inside another; `of`: names of what it applies to, empty where to all."""

    key: str
    of: str
    values: str
    default: str
    meaning: str


def key_rows() -> list[KeyRow]:
    """All keys, each with those inside it behind it."""
    schema = grid_schema(axes=False)
    return list(_rows("", [schema], schema["$defs"]))


def below(rows: list[KeyRow], key: str) -> list[KeyRow]:
    """The rows of a key and of all that stand inside it. Raises UserError where there is none."""
    found = [row for row in rows if row.key == key or row.key.startswith(f"{key}.")]
    if not found:
        known = list(dict.fromkeys(row.key for row in rows))
        alike = [one for one in known if one.endswith(f".{key}")] or difflib.get_close_matches(key, known, 1)
        whole = f"use one of {', '.join(one for one in known if '.' not in one)}, or a key inside one"
        raise UserError(f"'{key}' is not a key of a grid file; " + (f"did you mean '{alike[0]}'?" if alike else whole))
    return found


def markdown(rows: Sequence[KeyRow], grids: Mapping[str, str]) -> str:
    """A table of the keys at the top, one for each key that has others inside it, what follows from the data set, the
    recipes of views, and the grids (path -> text, whose comment begins with what the grid is for)."""
    tables: dict[str, list[Sequence[str]]] = {"### Top level": []}
    for row in rows:
        part, inside, _ = row.key.partition(".")
        tables.setdefault(f"### `{part}`" if inside else "### Top level", []).append(_marked(row))
    tables = {title: [KeyRow._fields, *table] for title, table in tables.items()}
    recipes = {"no recipe": ViewSpec(size=1)} | VIEW_RECIPES
    values = {key: [_yaml(asdict(recipe)[key]) for recipe in recipes.values()] for key in asdict(ViewSpec(size=1))}
    values["size"][0] = GIVEN
    varied = [[f"`{key}`", *found] for key, found in values.items() if len(set(found)) > 1]
    by_dataset = ["dataset", "encoder", "projector", "views"]
    tables["### Defaults that follow from the data set"] = [by_dataset, *defaults_by_dataset()]
    tables["### Recipes of views"] = [["key", *recipes], *varied]
    told = [[f"`{path}`", _first_sentence(text)] for path, text in grids.items()]
    tables["## Grids to start from"] = [["file", "what it is"], *told]
    return "\n".join(f"{title}\n\n{_table(table)}\n" for title, table in tables.items())


def lines(rows: Sequence[KeyRow], width: int) -> Text:
    """Each key with what it may be, its default and its meaning, no line longer than `width`."""
    text = Text()
    for row in rows:
        text.append(row.key, style="bold")
        text.append(f"  ({row.of})\n" if row.of else "\n")
        default = row.default if row.default == GIVEN else f"default {row.default}"
        for paragraph, style in ((f"{row.values}; {default}", "cyan"), (row.meaning, "")):
            wrapped = textwrap.wrap(paragraph.replace("`", ""), width, initial_indent="    ", subsequent_indent="    ")
            text.append("\n".join(wrapped) + "\n", style=style)
    return text


def _marked(row: KeyRow) -> Sequence[str]:
    """A row of Markdown, in which a mark says that the key is no part of a run's identity."""
    meaning = row.meaning.removesuffix(f" {NO_PART}")
    return f"`{row.key}`{MARK if meaning != row.meaning else ''}", *row[1:4], meaning


def _rows(above: str, branches: list[Schema], parts: Schema) -> Iterator[KeyRow]:
    """The keys of a mapping, which has a branch for each kind; a key that is the same in several is one row."""
    every = [name for branch in branches for name in _names(branch)]
    found: dict[KeyRow, list[str]] = {}
    inside: dict[KeyRow, list[Schema]] = {}
    for branch in branches:
        for key, schema in branch["properties"].items():
            inner, values = _branches(schema, parts), OTHERWISE.get(key) or _values(schema)
            if key == "name" and every:  # one row of all kinds
                values, schemas = ", ".join(f"`{name}`" for name in every), [one["properties"][key] for one in branches]
                schema = next((one for one in schemas if "default" in one), schema)
            needed = key in branch["required"] and "default" not in schema
            row = KeyRow(
                above + key, "", values, GIVEN if needed else _default(key, schema, inner), schema["description"]
            )
            found.setdefault(row, []).extend(_names(branch))
            inside[row] = inner
    for row, names in found.items():
        yield row._replace(of="" if names == every else ", ".join(names))
        if not above or not any(map(_names, inside[row])):  # a data set inside another key has been told of
            yield from _rows(f"{row.key}.", inside[row], parts)


def _branches(schema: Schema, parts: Schema) -> list[Schema]:
    """The mappings that a key may be."""
    if "$ref" in schema:
        return _branches(parts[schema["$ref"].rsplit("/", 1)[-1]], parts)
    nested = [one for key in ("anyOf", "allOf") for one in schema.get(key, [])]
    return [schema] if "properties" in schema else [found for one in nested for found in _branches(one, parts)]


def _names(branch: Schema) -> list[str]:
    name = branch["properties"].get("name", {})
    return ["my_module:MyCode"] if name.get("pattern") == CUSTOM_NAME["pattern"] else name.get("enum", [])


def _values(schema: Schema) -> str:
    """What a value may be, such as 'integer' or '`adam`, `sgd`'; null goes without saying."""
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{name}`" for name in schema.get("enum") or [schema["const"]])
    if "anyOf" in schema:
        return " or ".join(_values(one) for one in schema["anyOf"] if one.get("type") != "null")
    if schema.get("type") == "array":
        items, count = _values(schema["items"]), schema.get("maxItems", 0)
        return f"[{', '.join([items] * count)}]" if count else f"list of {items}" + ("" if "`" in items else "s")
    limits = [f"{word} {schema[key]:g}" for key, word in LIMITS.items() if key in schema]
    return " ".join([WORDS.get(schema.get("type", ""), "mapping"), *limits])


def _default(key: str, schema: Schema, inner: list[Schema]) -> str:
    if "default" in schema:
        return f"`{_yaml(schema['default'])}`"
    return "none" if not inner else "by data set" if key in ("encoder", "projector", "views") else "its keys'"


def defaults_by_dataset() -> list[list[str]]:
    """Each data set, with the encoder, the projector and the views that a grid has where it says nothing else."""
    kinds = {name: (name, name in PAIRS) for name in get_args(DatasetName)} | {"parquet, pairs": ("parquet", True)}
    rows = []
    for name, kind in kinds.items():
        parts = default_parts(*kind)
        given = {key: value for key, value in asdict(parts["encoder"]).items() if value is not None}
        recipes = [key for key, one in VIEW_RECIPES.items() if one == parts["views"]]
        spelled = [_yaml(given), _yaml(asdict(parts["projector"])), *recipes]
        rows.append([f"`{name}`", *(f"`{one}`" for one in spelled)])
    return rows


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of Markdown, the head first; a column that is empty below its head is left out."""
    kept = [column for column in range(len(rows[0])) if any(row[column] for row in rows[1:])]
    head, *body = ["| " + " | ".join(row[at].replace("|", "\\|") for at in kept) + " |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(kept), *body])


def _first_sentence(text: str) -> str:
    comment = takewhile(lambda line: line.startswith("#"), text.splitlines())
    told = [line.lstrip("# ") for line in comment if "yaml-language-server" not in line]
    return re.split(r"(?<=[.?]) (?=[A-Z`])", " ".join(told))[0]


def _yaml(value: Any) -> str:
    """A plain value on one line, such as {name: resnet18, stem: small} or 1e-6."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    return re.sub(r"e-0", "e-", value if isinstance(value, str) else json.dumps(value))
